"""assets/explorer.png and .gif: the explorer in a browser, then λ and N on the move. Needs Playwright and Chromium."""
import io
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 1280, 800
MOVES = (
    ("lam", "0.05"),
    ("lam", "0.02"),
    ("lam", "0.01"),
    ("rows", "31623"),
    ("rows", "100000"),
    ("rows", "1000000"),
)  # what the animation types


def frames(address: str) -> list[bytes]: # PNG, one a move, the start first
    "The page as it looks after each move, once its curve is drawn."
    with sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--no-first-run"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(120_000)
        page.goto(address)
        curve = page.locator("#errors [data-rows='1000000']")
        curve.wait_for(state="attached")
        shots = [page.screenshot()]
        for field, text in MOVES:
            page.locator(f"#{field}").fill(text)
            page.keyboard.press("Enter")
            curve.wait_for(state="detached")
            curve.wait_for(state="attached")
            shots.append(page.screenshot())
        browser.close()
    return shots


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [Path(sys.executable).with_name("dimm"), "app", "alarm", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        address = re.search(r"http\S+", server.stdout.readline())[0]
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
        shots = frames(address)
    finally:
        server.terminate()
        server.wait()
    (ROOT / "assets" / "explorer.png").write_bytes(shots[0])
    small = [
        Image.open(io.BytesIO(shot))
        .convert("RGB")
        .resize((WIDTH * 7 // 10, HEIGHT * 7 // 10), Image.LANCZOS)
        .quantize(64)
        for shot in shots
    ]
    small[0].save(
        ROOT / "assets" / "explorer.gif",
        save_all=True,
        append_images=small[1:],
        duration=[2500] + [1400] * (len(small) - 2) + [3000],
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    main()
