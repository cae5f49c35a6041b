"""Entry point of ``python -m trigsieve_samples``."""

import sys

from .cli import main

sys.exit(main())
