"""A folder of pictures is read whole, upright and in order; what does not fit is named."""

import numpy as np
import pytest
import torch
from PIL import Image

from plausible.inference.data import load, read_image_folder
from plausible.models.errors import DataError


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, dtype=np.uint8)).save(path, **options)


def grey(value, height=4, width=4):
    return np.full((height, width), value, dtype=np.uint8)


def numbered(folder, count, pattern="{:02d}.png"):
    """Grey images whose only value is their number."""
    for number in range(count):
        save(folder / pattern.format(number), grey(number))


def values(pixels):
    return pixels[:, 0, 0, 0].tolist()


def test_pixels_survive_and_a_tenth_is_held_out(tmp_path):
    numbered(tmp_path, 30)
    images = load(str(tmp_path))
    assert images.shape == (1, 4, 4)
    assert len(images.train) == 27 and len(images.test) == 3
    assert sorted(values(images.train) + values(images.test)) == list(range(30))
    assert values(images.train) == sorted(values(images.train))
    assert images.train_labels is None and images.attributes is None
    assert images.class_names == ()


def test_the_seed_fixes_the_split(tmp_path):
    numbered(tmp_path, 30)
    first, again, other = (values(load(tmp_path, seed=seed).test) for seed in (0, 0, 1))
    assert first == again != other


def test_two_images_are_enough_for_one_to_be_tested(tmp_path):
    numbered(tmp_path, 2)
    images = load(tmp_path)
    assert len(images.train) == len(images.test) == 1


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_are_refused(count, tmp_path):
    numbered(tmp_path, count)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._00.png").write_bytes(b"what macOS leaves on shared disks")
    with pytest.raises(DataError, match=f"holds {count} images"):
        load(tmp_path)


def test_subfolders_name_the_classes(tmp_path):
    for number in range(6):
        save(tmp_path / ("cat", "dog", "emu")[number % 3] / "deep" / f"{number}.PNG", grey(number))
    images = load(tmp_path)
    assert images.class_names == ("cat", "dog", "emu")
    for pixels, labels in (
        (images.train, images.train_labels),
        (images.test, images.test_labels),
    ):
        assert [value % 3 for value in values(pixels)] == labels.tolist()


def test_an_image_outside_the_subfolders_leaves_all_without_labels(tmp_path):
    numbered(tmp_path / "cat", 3)
    numbered(tmp_path, 1)
    assert load(tmp_path).train_labels is None


def test_train_and_test_subfolders_are_the_split_and_not_classes(tmp_path):
    for number in range(4):
        save(tmp_path / "train" / ("cat", "dog")[number % 2] / f"{number}.png", grey(number))
    save(tmp_path / "test" / "dog" / "4.png", grey(4))
    images = load(tmp_path)
    assert images.class_names == ("cat", "dog")
    assert values(images.train) == [0, 2, 1, 3] and images.train_labels.tolist() == [0, 0, 1, 1]
    assert values(images.test) == [4] and images.test_labels.tolist() == [1]


def test_channels_rows_and_columns_are_in_their_places(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (2, 5, 3, 3), dtype=np.uint8)
    for number in range(2):
        save(tmp_path / f"{number}.png", array[number])
    images = load(tmp_path)
    both = {tuple(x.flatten().tolist()) for x in torch.cat([images.train, images.test])}
    assert images.shape == (3, 5, 3)
    assert both == {tuple(x.transpose(2, 0, 1).flatten().tolist()) for x in array}


def test_one_coloured_image_gives_all_three_channels(tmp_path):
    save(tmp_path / "a.png", grey(7))
    save(tmp_path / "b.png", np.full((4, 4, 3), (7, 8, 9)))
    images = load(tmp_path)
    colours = [x[:, 0, 0].tolist() for x in (images.train[0], images.test[0])]
    assert sorted(colours) == [[7, 7, 7], [7, 8, 9]]


def test_transparent_parts_become_white(tmp_path):
    # Alpha 0 hides black; alpha 128 of 255 over white turns 0 into 127.
    pixels = np.zeros((2, 1, 4), dtype=np.uint8)
    pixels[1, 0, 3] = 128
    for name in ("a.png", "b.png"):
        save(tmp_path / name, pixels)
    assert load(tmp_path).train[0, 0, :, 0].tolist() == [255, 127]


def test_photographs_are_turned_upright(tmp_path):
    # Orientation 6: turn clockwise by 90 degrees to show, so 2 × 3 is shown as 3 × 2.
    exif = Image.Exif()
    exif[0x0112] = 6
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for name in ("a.png", "b.png"):
        save(tmp_path / name, array, exif=exif)
    assert load(tmp_path).train[0, 0].tolist() == np.rot90(array, -1).tolist()


def test_size_cuts_the_centre_and_resizes(tmp_path):
    # A white centre between black sides: the square in the middle is white alone. Seen failing
    # with a filter that reaches beyond the square: its edge came out as 240.
    wide = np.zeros((6, 18), dtype=np.uint8)
    wide[:, 6:12] = 255
    tall = np.zeros((20, 10), dtype=np.uint8)
    tall[5:15] = 255
    save(tmp_path / "wide.png", wide)
    save(tmp_path / "tall.png", tall)
    images = load(tmp_path, size=3)
    assert images.shape == (1, 3, 3)
    assert (images.train == 255).all() and (images.test == 255).all()


def test_mixed_sizes_are_named_with_the_way_out(tmp_path):
    numbered(tmp_path, 3)
    save(tmp_path / "odd.png", grey(0, height=5, width=9))
    message = (
        r"2 sizes: 4×4 \(3 images, such as 00\.png\), 9×5 \(1 images, such as odd\.png\).*size="
    )
    with pytest.raises(DataError, match=message):
        load(tmp_path)
    with pytest.raises(DataError, match="1 or more; got 0"):
        read_image_folder(tmp_path, size=0)


@pytest.mark.parametrize("kept", [0, 20, 150])
def test_an_image_that_cannot_be_read_is_named(kept, tmp_path):
    # Cut in the header and, with 150 bytes kept of about 4,000, in the pixels.
    numbered(tmp_path, 3)
    path = tmp_path / "broken.png"
    save(path, np.random.default_rng(0).integers(0, 256, (64, 64)))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"broken\.png cannot be read as an image"):
        load(tmp_path, size=4)


def test_images_with_more_than_eight_bits_are_refused(tmp_path):
    numbered(tmp_path, 2)
    Image.fromarray(np.full((4, 4), 1000, dtype=np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png has more than 8 bits"):
        load(tmp_path)


def test_attributes_follow_their_images(tmp_path):
    numbered(tmp_path / "faces", 20)
    table = ["file,odd,large"]
    table += [f"faces/{n:02d}.png,{n % 2},{int(n >= 10)}" for n in reversed(range(20))]
    (tmp_path / "attributes.csv").write_text("\n".join([*table, "faces/not-here.png,?,?"]))
    images = load(tmp_path)
    for pixels, attributes in (
        (images.train, images.attributes),
        (images.test, images.test_attributes),
    ):
        numbers = pixels[:, 0, 0, 0]
        assert list(attributes) == ["odd", "large"]
        assert attributes["odd"].dtype == torch.bool
        assert torch.equal(attributes["odd"], numbers % 2 == 1)
        assert torch.equal(attributes["large"], numbers >= 10)
    assert "2 attributes" in repr(images)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,odd\n00.png,0\n01.png,-1\n", r"line 3: attribute 'odd' must be 0 or 1, found '-1'"),
        ("file,odd\n00.png,0\n01.png\n", r"line 3: .* found ''"),
        ("file,odd\n00.png,0\n", r"no row for 1 of 2 images, such as 01\.png"),
        ("file,odd\n00.png,0\n01.png,1\n00.png,1\n", r"line 4: 00\.png is named twice"),
        ("name,odd\n00.png,0\n", "must have one column `file`.* found name, odd"),
        ("file\n00.png\n", "at least one attribute"),
        ("file,odd,odd\n", "each named once"),
        ("", "found nothing"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table, message, tmp_path):
    numbered(tmp_path, 2)
    (tmp_path / "attributes.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        load(tmp_path)
