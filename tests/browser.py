"""A headless Chromium that is asked what a page did, over a pipe: no port, no further library."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-extensions", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
)
# Seconds until a browser that does not answer is given up.
PATIENCE = 60.0
# Where it reads commands and writes answers.
COMMANDS, ANSWERS = 3, 4


def installed() -> str | None:
    """Path of a Chromium; None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@dataclass(frozen=True)
class Seen:
    """What happened while a page was open, and the answer to the question put to it."""

    answer: Any
    complaints: list[str]
    requests: list[str]


class Browser:
    """One process; use as a context manager."""

    def __init__(self, program: str, profile: Path):
        self._number = 0
        self._unread = b""
        self.events: list[dict[str, Any]] = []
        theirs_in, self._out = (_high(fd) for fd in os.pipe())
        self._in, theirs_out = (_high(fd) for fd in os.pipe())

        def connect() -> None:
            os.dup2(theirs_in, COMMANDS)
            os.dup2(theirs_out, ANSWERS)

        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=connect,
            pass_fds=(COMMANDS, ANSWERS),
        )
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._out)
        os.close(self._in)
        self._process.terminate()
        self._process.wait(PATIENCE)

    def see(self, page: Path, width: int, question: str, dark: bool = False) -> Seen:
        """Open a page at a width in pixels and evaluate an expression in it."""
        target = self.ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        flat = {"targetId": target, "flatten": True}
        session = self.ask("Target.attachToTarget", flat)["sessionId"]
        self.events.clear()
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.ask(f"{domain}.enable", {}, session)
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.ask("Emulation.setDeviceMetricsOverride", size, session)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", {"features": [scheme]}, session)
        self.ask("Page.navigate", {"url": page.absolute().as_uri()}, session)
        self._until("Page.loadEventFired")
        asked = {"expression": question, "returnByValue": True, "awaitPromise": True}
        answer = self.ask("Runtime.evaluate", asked, session)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["text"])
        seen = Seen(
            answer["result"].get("value"),
            [json.dumps(e["params"]) for e in self.events if e["method"] in COMPLAINTS],
            [
                event["params"]["request"]["url"]
                for event in self.events
                if event["method"] == "Network.requestWillBeSent"
            ],
        )
        self.ask("Target.closeTarget", {"targetId": target})
        return seen

    def ask(self, method: str, parameters: dict[str, Any], session: str = "") -> dict[str, Any]:
        """Send one command and wait for its result; events on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self._number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                result: dict[str, Any] = found["result"]
                return result

    def _until(self, method: str) -> None:
        while not any(event["method"] == method for event in self.events):
            self._read()

    def _read(self) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            part = os.read(self._in, 1 << 20) if ready else b""
            if not part:
                raise RuntimeError("the browser does not answer")
            self._unread += part
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if "method" in message:
            self.events.append(message)
        return message


COMPLAINTS = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")


def _high(descriptor: int) -> int:
    """The same file under a number that the child's own two cannot overwrite."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(descriptor)
    return moved
