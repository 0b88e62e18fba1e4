"""Learn the cheap test for words in pictures, from words that we draw ourselves, and write its weights.

    python benchmarks/learn_has_words.py --pictures 9000 --epochs 8

Behind the words are CC0 photographs of clothing, Apache-2.0 emoji and scenes of shapes; a file belongs
to the held-out half by a hash of its name, and is never learned from. No meme of anybody's is used.
Needs torch (extra `train`); about ten minutes on two cores.
"""

import argparse
import functools
import hashlib
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import rendered_words as drawn
from sievert.features.content.thumbnail import WEIGHTS

LONG = 256
SHAPES = ((256, 256), (192, 256), (256, 192), (144, 256), (256, 144))
"""Heights and widths of pictures as the test sees them."""
TILE = 8
_SCRIPTS = ("абвгдежзиклмнопрстуфхцчшщыэюя", "αβγδεζηθικλμνξοπρστυφχψω", "äöüßéèñçåø")


def held_out(path):
    """Tell whether a file is kept for measuring: two in five are."""
    return hashlib.sha256(path.name.encode()).digest()[0] % 5 < 2


@functools.lru_cache(maxsize=2000)
def opened(path):
    """Return a picture file in colour, over white."""
    with Image.open(path) as image:
        seen = image.convert("RGBA")
    ground = Image.new("RGBA", seen.size, "white")
    ground.alpha_composite(seen)
    return ground.convert("RGB")


def _shapes(size, rng):
    """Draw flat shapes and lines of any colours, which are no words."""
    image = Image.new("RGB", size, tuple(int(v) for v in rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 30))):
        x, y = rng.integers(0, size[0]), rng.integers(0, size[1])
        w, h = rng.integers(4, size[0] // 2), rng.integers(4, size[1] // 2)
        ink, kind = tuple(int(v) for v in rng.integers(0, 256, 3)), int(rng.integers(0, 5))
        place = (int(x - w // 2), int(y - h // 2), int(x + w // 2), int(y + h // 2))
        if kind == 0:
            pen.ellipse(place, fill=ink)
        elif kind == 1:
            pen.rectangle(place, fill=ink)
        elif kind == 2:
            pen.ellipse(place, outline=ink, width=int(rng.integers(1, 9)))
        elif kind == 3:
            pen.line(place, fill=ink, width=int(rng.integers(1, 9)))
        else:
            pen.polygon([(int(a), int(b)) for a, b in zip(rng.integers(place[0], place[2], 3), rng.integers(place[1], place[3], 3), strict=True)], fill=ink)  # fmt: skip
    return image


def _pattern(size, rng):
    """Draw stripes, checks, dots or noise, which are no words either."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    turn, period = rng.uniform(0, np.pi), rng.uniform(4, 60)
    along = np.cos(turn) * x + np.sin(turn) * y
    across = -np.sin(turn) * x + np.cos(turn) * y
    kind = int(rng.integers(0, 5))
    if kind == 0:
        field = (along % period < period / 2).astype(np.float32)
    elif kind == 1:
        field = ((along % period < period / 2) ^ (across % period < period / 2)).astype(np.float32)
    elif kind == 2:
        field = (((along % period) - period / 2) ** 2 + ((across % period) - period / 2) ** 2 < (period / 4) ** 2).astype(np.float32)  # fmt: skip
    elif kind == 3:
        grain = int(rng.integers(2, 12))
        small = Image.fromarray(
            (rng.random((size[1] // grain + 1, size[0] // grain + 1)) * 255).astype(np.uint8)
        )
        field = np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float32) / 255
    else:
        field = along / max(size)
    low, high = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    return Image.fromarray(np.clip(low + (high - low) * field[..., None], 0, 255).astype(np.uint8))


def plain(size, photos, emoji, rng):
    """Return a picture without words, so far as we know."""
    kind = rng.random()
    if kind < 0.4:
        image = opened(photos[int(rng.integers(len(photos)))]).copy()
        if rng.random() < 0.6:  # a part of it
            w, h = (int(side * rng.uniform(0.4, 1)) for side in image.size)
            left, top = int(rng.integers(0, image.width - w + 1)), int(rng.integers(0, image.height - h + 1))
            image = image.crop((left, top, left + w, top + h))
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return image.resize(size, Image.Resampling.BICUBIC)
    if kind < 0.6:
        image = Image.new("RGB", size, tuple(int(v) for v in rng.integers(0, 256, 3)))
        few = 1 if rng.random() < 0.6 else int(rng.integers(2, 9))
        for _ in range(few):
            with Image.open(emoji[int(rng.integers(len(emoji)))]) as one:
                side = int(min(size) * (rng.uniform(0.4, 1) if few == 1 else rng.uniform(0.08, 0.35)))
                stamp = one.convert("RGBA").resize((side, side), Image.Resampling.BICUBIC)
            place = (int(rng.integers(0, size[0] - side + 1)), int(rng.integers(0, size[1] - side + 1)))
            image.paste(stamp, place, stamp)
        return image
    if kind < 0.8:
        return _shapes(size, rng)
    if kind < 0.92:
        return _pattern(size, rng)
    return Image.new("RGB", size, tuple(int(v) for v in rng.integers(0, 256, 3)))


def _said(rng):
    if rng.random() < 0.15:
        script = _SCRIPTS[int(rng.integers(len(_SCRIPTS)))]
        words = ["".join(rng.choice(list(script), int(rng.integers(2, 9)))) for _ in range(4)]
        return " ".join(words)
    said = drawn.sentence(rng, words=int(rng.integers(1, 10)) if rng.random() < 0.6 else None)
    return said.upper() if rng.random() < 0.3 else said


def write(image, rng, scale):
    """Write some words on a picture; return it and where they stand, [h, w] in {0, 1}.

    The smallest are 6 pixels high once the picture is made smaller by `scale`.
    """
    size = image.size
    layer, edge = Image.new("L", size, 0), Image.new("L", size, 0)
    room = Image.new("L", size, 0)
    bands = []
    for _ in range(1 if rng.random() < 0.7 else int(rng.integers(2, 4))):
        points = int(np.exp(rng.uniform(np.log(max(7, 6 * scale)), np.log(max(40, 26 * scale)))))
        face = drawn.font(drawn.FONTS[int(rng.integers(len(drawn.FONTS)))], points)
        said, small = _said(rng), rng.random() < 0.15
        if small and said.isascii() and scale < 3:
            face, points = ImageFont.load_default_imagefont(), 11
        else:
            small = False
        lines = drawn.wrapped(said, face, size[0] * rng.uniform(0.5, 0.95))[: max(1, size[1] // (2 * points))]
        step = max(8, round(points * rng.uniform(1.1, 1.5)))
        top = int(rng.integers(0, max(1, size[1] - step * len(lines))))
        middle, left = rng.random() < 0.6, int(rng.integers(2, max(3, size[0] // 3)))
        for pen in map(ImageDraw.Draw, (layer, edge)):
            pen.fontmode = "1" if small else "L"
            for at, line in enumerate(lines):
                x = (size[0] - face.getlength(line)) // 2 if middle else left
                width = {"stroke_width": max(1, points // 12)} if pen.im is edge.im and not small else {}
                pen.text((x, top + at * step), line, 255, font=face, **width)
                ImageDraw.Draw(room).rectangle((x, top + at * step + points * 0.15, x + face.getlength(line), top + at * step + points * 1.1), fill=255)  # fmt: skip
        bands.append((0, top - 2, size[0], top + step * len(lines) + 4))
    angle = 0.0 if rng.random() < 0.7 else float(rng.choice([rng.uniform(-20, 20), 90, 180, 270]))
    if not angle and rng.random() < 0.4:
        paper = tuple(int(v) for v in rng.integers(200, 256, 3)) if rng.random() < 0.7 else tuple(int(v) for v in rng.integers(0, 80, 3))  # fmt: skip
        for band in bands:
            ImageDraw.Draw(image).rectangle(band, fill=paper)
    layer, edge, room = (one.rotate(angle, Image.Resampling.BILINEAR) for one in (layer, edge, room))
    under = np.asarray(image.convert("L"), np.float32)
    where = np.asarray(room) > 0
    mean = float(under[where].mean()) if where.any() else 128.0
    if rng.random() < 0.35:
        image.paste((0, 0, 0), (0, 0), edge)
        ink = (255, 255, 255)
    else:
        far = rng.uniform(0.35, 1)
        ink = tuple(int(v) for v in np.clip((255 if mean < 128 else 0) * far + mean * (1 - far) + rng.integers(-30, 31, 3), 0, 255))  # fmt: skip
    image.paste(ink, (0, 0), layer)
    return image, where


def sample(shape, photos, emoji, rng):
    """Return a grey picture [h, w] as the test sees it, and the share of words in each tile."""
    scale = float(rng.choice([0.5, 1, 2, 2, 3]))
    size = (int(shape[1] * scale), int(shape[0] * scale))
    image, where = plain(size, photos, emoji, rng), np.zeros(size[::-1], bool)
    if rng.random() < 0.55:
        image, where = write(image, rng, scale)
    worn = drawn.Look(
        blur=float(rng.uniform(0.3, 1.2)) if rng.random() < 0.2 else 0.0,
        noise=float(rng.uniform(3, 25)) if rng.random() < 0.2 else 0.0,
        quality=int(rng.integers(25, 95)) if rng.random() < 0.6 else None,
    )
    image = drawn.spoilt(image, worn, rng)
    grey = image.convert("L").resize(shape[::-1], Image.Resampling.BOX if scale > 1 else Image.Resampling.BILINEAR)  # fmt: skip
    share = Image.fromarray((where * 255).astype(np.uint8)).resize((shape[1] // TILE, shape[0] // TILE), Image.Resampling.BOX)  # fmt: skip
    return np.asarray(grey), np.asarray(share)


def samples(count, photos, emoji, rng):
    """Return pictures and tiles by shape."""
    out = {}
    for shape in SHAPES:
        made = [sample(shape, photos, emoji, rng) for _ in range(count // len(SHAPES))]
        out[shape] = tuple(np.stack(one) for one in zip(*made, strict=True))
    return out


def net():
    """Return the network whose twin in numpy runs in the service."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(24, 24, 3, stride=1, padding=1),
        nn.ReLU(),
        nn.Conv2d(24, 1, 1),
    )


def learn(made, epochs):
    """Learn from pictures and tiles; return the network and the head that joins the tiles."""
    import torch
    from torch.nn import functional

    torch.manual_seed(1)
    model = net()
    head = torch.nn.Parameter(torch.tensor([0.5, 0.5, 0.0]))
    batches = [(shape, at) for shape, (x, _) in made.items() for at in range(0, len(x) - 31, 32)]
    optimiser = torch.optim.AdamW([*model.parameters(), head], lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=epochs * len(batches))
    rng = np.random.default_rng(1)
    for epoch in range(epochs):
        total = 0.0
        order = {shape: rng.permutation(len(x)) for shape, (x, _) in made.items()}
        for one in rng.permutation(len(batches)):
            shape, at = batches[int(one)]
            some = order[shape][at : at + 32]
            x = (torch.from_numpy(made[shape][0][some]).float()[:, None] - 128) / 64
            share = torch.from_numpy(made[shape][1][some]).float() / 255
            tiles = model(x)[:, 0]
            words = (share.flatten(1).max(1).values > 0.3).float()
            by_tile = functional.binary_cross_entropy_with_logits(tiles, (share > 0.3).float(), weight=((share < 0.02) | (share > 0.3)).float())  # fmt: skip
            whole = functional.binary_cross_entropy_with_logits(joined(tiles, head), words)
            loss = by_tile + whole
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(whole.detach())
        print(f"epoch {epoch + 1}: {total / len(batches):.4f}", flush=True)
    return model, head


def joined(tiles, head):
    """Return the logit of each picture from its tiles [n, h, w]: the means of the most wordy 8 and 40."""
    top = tiles.flatten(1).topk(40).values
    return head[0] * top[:, :8].mean(1) + head[1] * top.mean(1) + head[2]


def written(model, head):
    """Return the weights as plain lists: kernels [places, channels in, channels out]."""
    layers = []
    for layer in list(model)[::2]:
        kernel = layer.weight.detach().numpy().transpose(2, 3, 1, 0)
        layers.append({"kernel": _rounded(kernel), "bias": _rounded(layer.bias.detach().numpy())})
    return {"layers": layers, "head": _rounded(head.detach().numpy())}


def _rounded(values):
    return json.loads(json.dumps(values.tolist()), parse_float=lambda text: float(f"{float(text):.4g}"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pictures", type=int, default=9000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    chosen = parser.parse_args()
    photos = [path for path in drawn.photos() if not held_out(path)]
    emoji = [path for path in drawn.emoji() if not held_out(path)]
    made = samples(chosen.pictures, photos, emoji, np.random.default_rng(7))
    print("drawn", flush=True)
    model, head = learn(made, chosen.epochs)
    chosen.out.write_text(json.dumps(written(model, head), separators=(",", ":")) + "\n")
    print(
        json.dumps({"pictures": chosen.pictures, "epochs": chosen.epochs, "bytes": chosen.out.stat().st_size})
    )


if __name__ == "__main__":
    main()
