"""What networks learn from: image sets by name, and training data in batches (`batches`)."""

from potentiate.data.catalog import DATASETS, DataFile, DataSet, data_folder, dataset, folder_of
from potentiate.data.images import Images, Split, load, shuffled_labels
from potentiate.data.remote import download

__all__ = [
    "DATASETS",
    "DataFile",
    "DataSet",
    "Images",
    "Split",
    "data_folder",
    "dataset",
    "download",
    "folder_of",
    "load",
    "shuffled_labels",
]
