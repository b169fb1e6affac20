#!/usr/bin/env bash
# Expected: PIL.ImageCms tells the creation date that stands in an ICC profile's header, and a profile that Pillow
#           makes is the same bytes each time.
# Happens:  profile.creation_date is one month early, and a profile of January cannot be asked for it at all:
#           "month must be in 1..12". What ImageCms.createProfile() makes carries the second of its making, so that two
#           pictures saved with it a second apart differ as files.
# Versions: pillow 12.3.0 (Little CMS as bundled in its wheel), Python 3.11.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pillow==12.3.0
"$work/venv/bin/python" - >"$work/seen.txt" <<'PY'
import io
import struct
import time

from PIL import ImageCms


def made() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def dated(month: int) -> bytes:
    """A profile of the 15th of a month of 2024; ICC.1:2022, 7.2.8 has the date in bytes 24 to 35."""
    profile = made()
    return profile[:24] + struct.pack(">6H", 2024, month, 15, 12, 0, 0) + profile[36:]


for month in (12, 6, 1):
    try:
        date = ImageCms.getOpenProfile(io.BytesIO(dated(month))).profile.creation_date
        print(f"2024-{month:02}-15 in the header:", date.strftime("%Y-%m-%d"))
    except ValueError as error:
        print(f"2024-{month:02}-15 in the header: ValueError:", str(error).partition(",")[0])
first = made()
time.sleep(1.1)
second = made()
places = {at for at, (one, other) in enumerate(zip(first, second)) if one != other}
print("bytes that differ after a second lie in the date:", bool(places) and places <= set(range(24, 36)))
PY
cat "$work/seen.txt"
diff - "$work/seen.txt" <<'SEEN'
2024-12-15 in the header: 2024-11-15
2024-06-15 in the header: 2024-05-15
2024-01-15 in the header: ValueError: month must be in 1..12
bytes that differ after a second lie in the date: True
SEEN
# Seen:
# 2024-12-15 in the header: 2024-11-15
# 2024-06-15 in the header: 2024-05-15
# 2024-01-15 in the header: ValueError: month must be in 1..12
# bytes that differ after a second lie in the date: True
