"""python -m scripts.music FOLDER [--songs 28] [--seed 7] [--workers 2]: composes a catalogue into a folder."""

import argparse
from pathlib import Path

from scripts.music.catalog import catalog, write_songs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.music", description="Composes a catalogue of songs.")
    parser.add_argument("folder", type=Path, help="where the files go; what is there already is kept")
    parser.add_argument("--songs", type=int, default=28)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    for path in write_songs(chosen.folder, catalog(chosen.seed, chosen.songs), chosen.workers):
        print(path)


if __name__ == "__main__":
    main()
