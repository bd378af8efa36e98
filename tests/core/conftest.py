"""Makes `import hostile` work here, and through the hand-over of sys.path in the workers too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
