"""What a PDF costs: four pages and six photographs in the size of a screen, rendered and sealed."""

from __future__ import annotations

import io
import random
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from api.documents import rendering, seals
from bench import table
from bench.frame import Frame, median, spread
from tests.documents import samples

PAGES, PHOTOGRAPHS, ROUNDS = 4, 6, 7
WIDTH, HEIGHT = 1600, 1200


async def measure(bench: Frame) -> list[table.Row]:
    """CPU seconds of this process for one PDF, as the worker makes it, all its threads counted."""
    key = Ed25519PrivateKey.generate()
    rendering.pngs(samples.canonical("order", samples.order()), {}, ppi=10)  # fonts are read once
    used, size = [], 0
    for n in range(ROUNDS):
        # Others in each round: typst remembers what it has drawn.
        images = {id: photograph(n * PHOTOGRAPHS + k) for k, id in enumerate(samples.PHOTOS)}
        assert len(images) == PHOTOGRAPHS
        canonical = _four_pages(n)
        if n == 0:
            _check_pages(_four_pages(-1))
        begun = time.process_time()
        jws = seals.sign("document-bench", key, canonical, seals.CONTENT)
        made = rendering.pdf(canonical, jws, images, "document-bench", key)
        used.append(time.process_time() - begun)
        found = seals.read_pdf(made, lambda _: key.public_key())
        if found is None or not found.intact or made.count(b"/Subtype/Image") < PHOTOGRAPHS:
            raise RuntimeError("the PDF is not what was asked for")
        size = len(made)
    note = f"{PAGES} pages, {PHOTOGRAPHS} photographs, {size / 1e6:.1f} MB, {spread(used)}"
    return [table.row("report.cpu_s", median(used), note)]


def _four_pages(n: int) -> bytes:
    """A record of a visit, other in each round."""
    content = samples.visit_record(entries=6)
    for section in content.sections:
        section.title += f" {n}"
        for entry in section.entries:
            entry.text, entry.answer = f"{n} {entry.text}", f"{n}"
    return samples.canonical("visit_record", content)


def _check_pages(canonical: bytes) -> None:
    pages = len(rendering.pngs(canonical, {}, ppi=10))
    if pages != PAGES:
        raise RuntimeError(f"{pages} pages, not {PAGES}")


def photograph(seed: int) -> bytes:
    """A JPEG of edges and noise, some hundred kB as a camera's are at this size."""
    dice = random.Random(seed)
    small = Image.frombytes("RGB", (40, 30), dice.randbytes(40 * 30 * 3))
    image = small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    image = Image.blend(image, Image.effect_noise((WIDTH, HEIGHT), 40).convert("RGB"), 0.3)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82)
    return out.getvalue()
