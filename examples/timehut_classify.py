"""Waves of three shapes told apart by TimeHUT, by an encoder that learned nothing, and by the values themselves.

python examples/timehut_classify.py
"""

import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from potentiate import TimeHUTClassifier
from potentiate.data.series import load_series

waves = load_series("waves")
train, test = (part.inputs.transpose(1, 2).numpy() for part in (waves.train, waves.test))
names = np.array(waves.classes)
train_names, test_names = (names[part.labels.numpy()] for part in (waves.train, waves.test))
small = {"outputs": 64, "hidden": 32, "depth": 6}
untrained = {**small, "lr": 1e-12}
scores = {}
for name, classifier in {
    "TimeHUT": TimeHUTClassifier(epochs=40, settings=small, random_state=0),
    "without learning": TimeHUTClassifier(epochs=1, settings=untrained, random_state=0),
}.items():
    scores[name] = classifier.fit(train, train_names).score(test, test_names)
for name, classifier in {
    "ridge on the values": make_pipeline(StandardScaler(), RidgeClassifierCV()),
    "nearest neighbor": KNeighborsClassifier(1),
}.items():
    scores[name] = classifier.fit(train[:, 0], train_names).score(test[:, 0], test_names)
for name, score in scores.items():
    print(f"{name:20} {score:.1%} of {len(test)} waves never seen")
