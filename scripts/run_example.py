"""Run an experiment file as `ptutils run` does, then say what to try next.

One process, so that Ctrl-C, SIGTERM and the exit status are those of ptutils.
"""

import re
import sys
from pathlib import Path

NEXT = """
Try next:
  source .venv/bin/activate      # puts ptutils on the path
  ptutils ls                     # the runs of this folder
  ptutils show {exp_id}
  ptutils run {config}   # again: resumes, or says that it is complete
  ptutils run {config} -o exp_id={exp_id}-2 -o model.optimizer.lr=3e-4
"""


def main() -> int:
    config = sys.argv[1]
    sys.argv = ["ptutils", "run", *sys.argv[1:]]
    from ptutils.cli import main as ptutils

    status = ptutils() or 0
    if status == 0:
        text = Path(config).read_text(encoding="utf-8")
        found = re.search(r"^exp_id:\s*(\S+)", text, re.MULTILINE)
        print(NEXT.format(config=config, exp_id=found[1] if found else "EXP"))
    return status


if __name__ == "__main__":
    sys.exit(main())
