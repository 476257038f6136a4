"""How much memory the whole demo takes: the proportional set size of all its processes together."""

import threading

import psutil


class Peak:
    """Samples this process and all its descendants once a second until it is closed."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(seconds,), daemon=True)
        self._thread.start()

    def _run(self, seconds: float) -> None:
        while not self._stop.wait(seconds):
            self.bytes = max(self.bytes, together())

    def close(self) -> int:
        """Stop sampling; the peak in bytes."""
        self._stop.set()
        self._thread.join()
        return self.bytes


def together() -> int:
    """Bytes now. Pages that processes share are counted once (PSS); macOS has no PSS, so there it is what each has alone."""
    me = psutil.Process()
    return sum(_one(process) for process in [me, *me.children(recursive=True)])


def _one(process: psutil.Process) -> int:
    try:
        found = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return 0
    return int(getattr(found, "pss", None) or found.uss)
