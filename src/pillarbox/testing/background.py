"""An event loop in a thread, for servers that a program without one, or with a busy one, uses."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

_STOP_SECONDS = 30.0


@contextmanager
def in_background(server: AbstractAsyncContextManager[object]) -> Iterator[None]:
    """Enter `server` in a thread of its own and leave it at the end.

    Raises what entering or leaving it raises.
    """
    is_up = threading.Event()
    failures: list[BaseException] = []
    stops: list[Callable[[], object]] = []

    async def serve() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop.set))
        async with server:
            is_up.set()
            await stop.wait()

    def work() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 -- raised in the thread that asked
            failures.append(error)
        finally:
            is_up.set()

    thread = threading.Thread(target=work, name="pillarbox-testing")
    thread.start()
    is_up.wait()
    try:
        if not failures:
            yield
    finally:
        if not failures:
            stops[0]()
        thread.join(_STOP_SECONDS)
    if failures:
        raise failures[0]
