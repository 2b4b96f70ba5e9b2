"""One checkpoint: its two files, its checksums and its format."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from potentiate.checkpoint.folder import present, replace
from potentiate.checkpoint.tree import pack, unpack
from potentiate.errors import Refused

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
"""The format that this version writes."""

UPGRADERS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Format n -> a function that turns a `state.json` of format n into one of format n + 1."""

_KIND = "potentiate checkpoint"
_TENSORS, _STATE = "tensors.safetensors", "state.json"


@dataclass(frozen=True)
class Checkpoint:
    """What `load` gives back.

    Attributes:
        state: The tree as it was saved; tensors on the CPU, without gradient, sharing nothing.
        facts: What was noted beside it.
    """

    state: Any
    facts: Mapping[str, Any]


def save(folder: Path, state: Any, *, facts: Mapping[str, Any]) -> Path:
    """Write the checkpoint `folder`, complete or not at all, and return its absolute path.

    Round-trips bit for bit: dicts (a subclass comes back as a dict) with plain keys, lists, tuples,
    dense torch tensors of any dtype with their memory order (a parameter comes back as a tensor),
    numpy arrays and scalars, str, bool, None, int of any size, float with nan and inf. Tensors that
    share memory come back apart.

    Args:
        folder: Where; its parents are made. A checkpoint there is replaced, anything else refused.
        state: The tree. It must not be changed by another thread meanwhile.
        facts: Plain values (no tensors), readable with `facts()` without reading the state.

    Raises:
        Refused: A value that cannot be stored, or a disk that is full or not writable; whatever
            was at `folder` is untouched and nothing else is left behind.

    Cost: memory for two copies of the tensors, one sequential write, five syncs.
    """
    folder = Path(os.path.abspath(folder))
    payload, text = _serialized(state, facts)
    try:
        replace(folder, {_TENSORS: payload, _STATE: text})
    except OSError as error:
        raise Refused(
            f"the checkpoint {folder} could not be written ({error.strerror or error}) and what "
            f"was there is untouched; make {_megabytes(payload, text)} MB of room there or choose "
            "another folder"
        ) from error
    return folder


def load(folder: Path) -> Checkpoint:
    """Read the checkpoint `folder`, verified against its checksums.

    Raises:
        Refused: It is missing, damaged, of a newer format, or no checkpoint at all.

    Cost: one read of the folder; memory for three copies of the tensors at the peak.
    """
    folder = Path(folder)
    document = _document(folder)
    payload = _tensors(folder, document)
    try:
        import safetensors.torch

        store = safetensors.torch.load(payload)
        del payload
        return Checkpoint(unpack(document["state"], store), unpack(document["facts"], {}))
    except MemoryError:
        raise
    except Exception as error:  # whatever a foreign file breaks, the sentence is the same
        raise _damaged(
            folder, f"its tree does not fit its tensors ({type(error).__name__})"
        ) from error


def facts(folder: Path) -> Mapping[str, Any]:
    """Read only the facts of the checkpoint `folder`; imports no torch and reads no tensor.

    Raises:
        Refused: As `load`, but damage to the tensors goes unseen.
    """
    document = _document(Path(folder))
    try:
        return cast("Mapping[str, Any]", unpack(document["facts"], {}))
    except Exception as error:
        raise _damaged(folder, f"its facts are unreadable ({type(error).__name__})") from error


def _serialized(state: Any, facts: Mapping[str, Any]) -> tuple[bytes, bytes]:
    import safetensors.torch

    store: dict[str, Tensor] = {}
    try:
        tree, noted = pack(state, store), pack(dict(facts), None)
        payload = safetensors.torch.save(store)
        document: dict[str, Any] = {
            "kind": _KIND,
            "format": FORMAT,
            "facts": noted,
            "tensors": {"bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()},
            "state": tree,
        }
        document["sha256"] = _fingerprint(document)
        return payload, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
    except RecursionError:
        raise Refused(
            "the state is nested too deeply for a checkpoint or contains itself; flatten it"
        ) from None


def _megabytes(*contents: bytes) -> str:
    return f"{sum(map(len, contents)) / 1e6:.1f}"


def _fingerprint(document: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, separators=(",", ":")).encode()).hexdigest()


def verify(folder: Path) -> None:
    """Check that `folder` would load, by its checksums; imports no torch.

    Raises:
        Refused: As `load`.
    """
    _tensors(folder, _document(folder))


def _document(folder: Path) -> dict[str, Any]:
    if not (found := present(folder)).is_dir():
        raise Refused(
            f"there is no checkpoint at {folder}; name the folder of one, such as .../step-00000120"
        )
    try:
        document: Any = json.loads((found / _STATE).read_bytes())
    except FileNotFoundError:
        raise Refused(
            f"{folder} is not a checkpoint of potentiate: it has no {_STATE}; name another folder"
        ) from None
    except (ValueError, RecursionError):
        raise _damaged(folder, f"{_STATE} is not readable as JSON") from None
    except OSError as error:
        raise _damaged(folder, f"{_STATE} cannot be read ({error.strerror})") from error
    if not isinstance(document, dict) or cast("dict[str, Any]", document).get("kind") != _KIND:
        raise Refused(
            f"{folder} is not a checkpoint of potentiate: its {_STATE} is of another kind; "
            "name another folder"
        )
    return _upgraded(folder, cast("dict[str, Any]", document))


def _upgraded(folder: Path, document: dict[str, Any]) -> dict[str, Any]:
    version = document.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise Refused(
            f"the checkpoint {folder} has format {version} and this potentiate reads up to "
            f"{FORMAT}; upgrade potentiate to read it"
        )
    if document.get("sha256") != _fingerprint(document):
        raise _damaged(folder, f"{_STATE} does not match its checksum")
    while (version := document["format"]) != FORMAT:
        if not isinstance(version, int) or version not in UPGRADERS:
            raise _damaged(folder, f"its format {version!r} is unknown")
        document = UPGRADERS[version](document)
    return document


def _tensors(folder: Path, document: dict[str, Any]) -> bytes:
    try:
        payload, expected = (present(folder) / _TENSORS).read_bytes(), document["tensors"]
        if len(payload) != expected["bytes"]:
            raise _damaged(
                folder, f"{_TENSORS} has {len(payload)} bytes instead of {expected['bytes']}"
            )
        if hashlib.sha256(payload).hexdigest() != expected["sha256"]:
            raise _damaged(folder, f"{_TENSORS} does not match its checksum")
        return payload
    except OSError as error:
        raise _damaged(folder, f"{_TENSORS} cannot be read ({error.strerror})") from error
    except (KeyError, TypeError) as error:
        raise _damaged(folder, f"{_STATE} says nothing about {_TENSORS}") from error


def _damaged(folder: Path, what: str) -> Refused:
    return Refused(f"the checkpoint {folder} is damaged: {what}; resume from another one beside it")
