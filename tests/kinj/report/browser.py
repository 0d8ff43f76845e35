"""Debian's Chromium, headless, through its driver's own protocol: no client library is needed for so few words."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

MISSING = "no chromium and chromedriver here: apt-get install chromium chromium-driver"


def is_there() -> bool:
    """Whether both programs are installed."""
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


class Browser:
    """One window. `width` is that of the screen, also below the 500 pixels that a desktop window has at least."""

    def __init__(self, port: int, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
        words = ["chromedriver", f"--port={port}", "--log-level=SEVERE"]
        self._driver = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._root = f"http://127.0.0.1:{port}"
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        options: dict[str, Any] = {"binary": shutil.which("chromium"), "args": arguments}
        if width < 500:
            options["mobileEmulation"] = {"deviceMetrics": {"width": width, "height": height, "pixelRatio": 2}}
        else:
            arguments.append(f"--window-size={width},{height}")
        if dark:
            arguments.append("--force-dark-mode")
        capabilities = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self._wait()
        body = {"capabilities": {"alwaysMatch": {"browserName": "chrome", **capabilities}}}
        session = self._send("POST", "/session", body)["sessionId"]
        self._root += f"/session/{session}"

    def _wait(self) -> None:
        for _ in range(200):
            try:
                if self._send("GET", "/status")["ready"]:
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise AssertionError("chromedriver did not start")

    def _send(self, method: str, path: str, body: dict | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._root + path, data, head, method=method)  # noqa: S310  # the driver's
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return json.load(answer)["value"]

    def open(self, page: str) -> None:
        """Loads an address."""
        self._send("POST", "/url", {"url": page})

    def run(self, script: str, *arguments: object) -> Any:
        """The value of a script's `return`."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str) -> Any:
        """What the script gives to its last argument."""
        return self._send("POST", "/execute/async", {"script": script, "args": []})

    def console(self) -> list[str]:
        """What the console has said since it was last asked."""
        return [entry["message"] for entry in self._send("POST", "/se/log", {"type": "browser"})]

    def requests(self) -> list[str]:
        """Addresses that were asked for since last time, but those of pages that were opened."""
        events = [
            json.loads(entry["message"])["message"] for entry in self._send("POST", "/se/log", {"type": "performance"})
        ]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [one["request"]["url"] for one in sent if one.get("type") != "Document"]

    def screenshot(self, file: Path, height: int | None = None) -> None:
        """The window as PNG; or so many pixels of the page from its top."""
        if height is not None:
            width = self.run("return window.innerWidth")
            self._send("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
                "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}})  # fmt: skip
        file.write_bytes(base64.b64decode(self._send("GET", "/screenshot")))

    def close(self) -> None:
        """Ends window and driver."""
        try:
            self._send("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait(timeout=20)
