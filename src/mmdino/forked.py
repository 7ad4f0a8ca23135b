"""Independent work in forked processes: what it reads lies in memory already, and only its outcome is sent back."""

import multiprocessing
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, ClassVar, TypeVar

from tqdm import tqdm

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


def forked(works: Mapping[K, Callable[[], T]], processes: int, desc: str, unit: str) -> dict[K, T]:
    """Return what each of ``works`` returns, by its name and in their order; ``desc`` and ``unit``: its progress bar.

    With one process all are called in this one. An error of any is raised. Where some take much longer than others, name them
    first.
    """
    with tqdm(desc=desc, total=len(works), unit=unit, disable=None) as bar:
        found = {}
        for name, outcome in _outcomes(works, min(processes, len(works))):
            found[name] = outcome
            bar.update()
    return {name: found[name] for name in works}


def _outcomes(works: Mapping[K, Callable[[], T]], processes: int) -> Iterator[tuple[K, T]]:
    if processes < 2:
        yield from ((name, work()) for name, work in works.items())
        return
    fork = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, fork, _Forked.begin, (works,)) as pool:
        waiting = {pool.submit(_Forked.call, name): name for name in works}
        for done in as_completed(waiting):
            yield waiting[done], done.result()


class _Forked:
    """What a process was given when it was forked: closures, which could not be sent."""

    works: ClassVar[Mapping[Any, Callable[[], Any]]]

    @classmethod
    def begin(cls, works: Mapping[Any, Callable[[], Any]]) -> None:
        cls.works = works

    @classmethod
    def call(cls, name: Hashable) -> Any:
        return cls.works[name]()
