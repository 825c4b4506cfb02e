"""The one thread that judges: photographs of all requests that wait together are one batch."""

import io
import queue
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import Future

from PIL import Image

from gaussft_jax.inspection import Inspected, Inspector

__all__ = ["Engine", "Upload"]


class Upload:
    """A photograph in memory, as sent, and its answer; an `ImageFile`."""

    def __init__(self, name: str, content: bytes):
        self.name = name
        self.answer: Future[dict] = Future()
        self.answer.set_running_or_notify_cancel()  # whoever no longer waits does not end it
        self._content = content

    def open(self, mode: str) -> io.BytesIO:
        """The file, to read from."""
        return io.BytesIO(self._content)

    def __str__(self) -> str:
        return self.name


class Engine:
    """Judges what any thread hands in; to be used in a `with` statement."""

    def __init__(self, inspector: Inspector):
        self._inspector = inspector
        self._handed_in: queue.SimpleQueue[Upload | None] = queue.SimpleQueue()
        self._at_work: set[Upload] = set()
        self._thread = threading.Thread(target=self._run, name="judge", daemon=True)

    def __enter__(self) -> "Engine":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._handed_in.put(None)
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether it judges."""
        return self._thread.is_alive()

    def submit(self, upload: Upload) -> "Future[dict]":
        """The answer: the name, and what `predict` says of it, or an error."""
        self._handed_in.put(upload)
        return upload.answer

    def _run(self) -> None:
        while True:
            try:
                for _ in self._inspector.inspect(self._waiting(), self._answer):
                    pass
                return
            except Exception as error:  # a device without memory, say: the server lives
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                print(f"error: {reason}", file=sys.stderr)
                for upload in self._at_work:
                    upload.answer.set_exception(RuntimeError(reason))
                self._at_work.clear()

    def _waiting(self) -> Iterator[Upload | None]:
        while True:
            if self._handed_in.empty():
                yield None
            upload = self._handed_in.get()
            if upload is None:
                return
            self._at_work.add(upload)
            yield upload

    def _answer(self, inspected: Inspected) -> None:
        answer = {"name": inspected.path.name}
        if inspected.verdict is None:
            answer["error"] = inspected.error
        else:
            height, width = inspected.verdict.distances.shape
            heatmap = _data_url(Image.fromarray(inspected.verdict.heatmap))
            answer |= {"width": width, "height": height, **inspected.verdict.said}
            answer["heatmap"] = heatmap
        self._at_work.remove(inspected.path)
        inspected.path.answer.set_result(answer)


def _data_url(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "png", compress_level=1)  # a third of the time of what is usual
    return f"data:image/png;base64,{b64encode(file.getbuffer()).decode()}"
