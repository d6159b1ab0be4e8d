"""What many tests share: the default model and a small one, both real, each exported once for a run.

Exports are kept in the folder that the environment variable QA_CACHE names, over many runs, else in a folder of this
run that all of its processes share.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading

# Each process of a run has a core to itself. Where more threads than cores share small products, they wait for each
# other: the tests of models took five times the time. Set before anything loads numpy or torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty
from typing import Any, ClassVar

import numpy as np
import pytest
import small_model as small
from hypothesis import settings as hypothesis_settings
from safetensors.numpy import load_file, save_file
from shelf import Shelf

from qa import indexing, models, reading
from qa.encoder import Encoder
from qa.formats import Limits
from qa.reading import Child, Readers
from qa.records import Model
from qa.settings import Settings

# A deadline would measure what else runs on the machine; examples that failed once are not kept between runs.
# Every run tries the same examples, so that a commit that passed once passes everywhere; new ones are searched with
# --hypothesis-profile=search, and what they find becomes an @example or a mended law. As the same ones are tried again,
# half as many as usual are enough.
hypothesis_settings.register_profile("qa", deadline=None, database=None, derandomize=True, max_examples=50)
hypothesis_settings.register_profile("search", deadline=None, database=None, print_blob=True)
hypothesis_settings.load_profile("qa")


class Kept(Readers):
    """Readers whose processes go on with the next run of indexing, as they would with the next file of a folder: to
    start one takes as long as all else about a small index."""

    idle: ClassVar[dict[tuple[str, Limits], list[Child]]] = {}

    def _start(self) -> Child:
        kept = self.idle.get((reading.PARSER, self._limits), [])
        while kept:
            child = kept.pop()
            if child._process.poll() is None:
                self._children.add(child)
                return child
            child.end()
        return super()._start()

    def __exit__(self, *how: object) -> None:
        if not self._limits.max_ocr_pages:  # what recognises text keeps half a gigabyte
            with suppress(Empty):
                while True:
                    child = self._idle.get_nowait()
                    self._children.discard(child)
                    self.idle.setdefault((reading.PARSER, self._limits), []).append(child)
        super().__exit__(*how)


@pytest.fixture(scope="session", autouse=True)
def kept_readers() -> Iterator[None]:
    """Runs of indexing in this process share the processes that read files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing, "Readers", Kept)
        yield
    for children in Kept.idle.values():
        for child in children:
            child.end()


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of exported models."""
    if os.environ.get("QA_CACHE"):
        folder = Path(os.environ["QA_CACHE"]).resolve()
    else:
        base = tmp_path_factory.getbasetemp()
        folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one process of the run at a time: the others wait, then find what it made."""
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def model(model_cache: Path) -> Model:
    """The default model, exported."""
    with _alone(model_cache):
        return models.exported(models.DEFAULT, model_cache)


@pytest.fixture(scope="session")
def encoder(model: Model) -> Encoder:
    """The default model, ready to encode."""
    return Encoder(model)


@pytest.fixture(scope="session")
def small_model(model_cache: Path) -> str:
    """The path of a real model of two layers and 64 dimensions, for `Settings(model=...)`; already exported."""
    with _alone(model_cache):
        folder = model_cache / f"small-{small.recipe()}"
        if not (folder / "made").exists():
            small.make(folder)
            (folder / "made").touch()
        models.exported(str(folder / "model"), model_cache)
    return str(folder / "model")


def _shuffle(model: Path, folder: Path) -> None:
    """Write another model of the same shape to `folder`, to which each word means what the one before it means to
    `model`."""
    shutil.copytree(model, folder, dirs_exist_ok=True)
    path = next(folder.rglob("*.safetensors"))
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    save_file({**weights, name: np.roll(weights[name], 1, axis=0)}, path, {"format": "pt"})


@pytest.fixture(scope="session")
def other_small_model(model_cache: Path, small_model: str) -> str:
    """The path of another model of the same shape, as `small_model`."""
    with _alone(model_cache):
        folder = model_cache / f"other-{small.recipe()}"
        if not (folder / "made").exists():
            _shuffle(Path(small_model), folder / "model")
            (folder / "made").touch()
        models.exported(str(folder / "model"), model_cache)
    return str(folder / "model")


@pytest.fixture(scope="session")
def small_encoder(small_model: str, model_cache: Path) -> Encoder:
    """The small model, ready to encode."""
    return Encoder(models.exported(small_model, model_cache))


@pytest.fixture
def settings(tmp_path: Path, small_model: str, model_cache: Path) -> Callable[..., Settings]:
    """Makes settings for an index in a folder of the test's own, with the small model; fields can be given."""

    def make(**given: Any) -> Settings:
        given = {"reader": "", **given}  # its reading takes as long as all else
        return Settings(**{"index": tmp_path / "index", "model": small_model, "cache": model_cache, **given})

    return make


@pytest.fixture
def shelf(tmp_path: Path, settings: Callable[..., Settings]) -> Shelf:
    """An empty folder of documents that is not indexed yet."""
    shelf = Shelf(tmp_path / "docs", settings())
    shelf.docs.mkdir()
    return shelf


@pytest.fixture
def canary() -> Iterator[tuple[str, list[str]]]:
    """The address of a server on this machine, and what has asked it for something."""
    asked: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(99).decode("latin-1"))

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
