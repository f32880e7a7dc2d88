"""A real Apache Kafka for one laptop: one node, broker and controller in one JVM, without Docker.

It listens on 127.0.0.1 only. Everything it keeps, its logs included, is in one directory, and a start on the
same directory finds the same topics again, also after a SIGKILL.
"""

from __future__ import annotations

import base64
import fcntl
import os
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from scoring.errors import StartError
from streams.embedded.java import KAFKA_VERSION, find_java, kafka_jars, silent
from streams.embedded.leash import Leash, how_it_ended
from streams.embedded.ports import check_port_is_free, free_ports

HOST: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 90.0  # about 4 s on a laptop; a busy CI machine may take much longer
STOP_TIMEOUT_S: Final = 20.0
_PORT_ATTEMPTS: Final = 3  # a free port may be taken by another process before the broker binds it

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
log.dirs=logs

# One node: one copy of everything, and few partitions of the internal topics for a quick start.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# A new worker is assigned at once, a dead one is noticed after a second if it asks for that.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# After a SIGKILL the controller refuses the broker until its old session has ended; 9 s by default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# Auto-creation races with transactional producers, and would create topics with the wrong partitions.
auto.create.topics.enable=false
message.max.bytes=4194304
replica.fetch.max.bytes=4194304

# Sized for a heap of half a gigabyte: by default the cleaner alone takes 128 MB.
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
"""

_LOGGING: Final = """\
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName=server.log
appender.file.filePattern=server.log.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %m (%c{1})%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=10MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=1
"""


class EmbeddedKafka:
    """One Apache Kafka in a child process, its data in ``data_dir``.

    ``port`` 0 takes a free one at the first start and keeps it for the later ones. ``heap_mb`` bounds the
    JVM's heap, ``start_timeout_s`` the time until it answers. Not for use by several threads at once; ``start``
    and ``stop`` block.
    """

    def __init__(
        self, data_dir: Path, *, port: int = 0, heap_mb: int = 512, start_timeout_s: float = START_TIMEOUT_S
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port
        self.heap_mb = heap_mb
        self.start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None
        self._log_began = 0  # the size of the log file when the broker was started

    @property
    def brokers(self) -> str:
        """Bootstrap servers, ``127.0.0.1:port``; the port is known once it was started."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id, or None before the first start and after a stop."""
        return None if self._process is None else self._process.pid

    @property
    def log_path(self) -> Path:
        """Kafka's own log file."""
        return self.data_dir / "server.log"

    def is_alive(self) -> bool:
        """Say whether the broker's process runs."""
        return self._process is not None and self._process.poll() is None

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def start(self, progress: Callable[[str], None] = silent) -> None:
        """Start the broker and return when it answers a metadata request.

        Also starts it again after :meth:`stop` or :meth:`kill`, on the same data and port. ``progress`` is
        given a line for each step that takes time. Raises :class:`StartError`, which says what to do.
        """
        if self.is_alive():
            return
        self._clean_up()
        java = find_java()
        jars = kafka_jars(progress)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._check_data_is_free()
        if self.port:
            check_port_is_free(
                HOST,
                self.port,
                "stop what listens there, choose another port, or use it with --brokers if it is a Kafka",
            )
        began = time.monotonic()
        progress(f"starting Apache Kafka {KAFKA_VERSION}")
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            controller_port, free_port = free_ports(HOST, 2)
            port = self.port or free_port
            self._configure(port, controller_port)
            self._format(java, jars)
            try:
                self._spawn(java, jars)
                self._wait_until_it_answers(port)
            except StartError:
                self.kill()
                if attempt == _PORT_ATTEMPTS or "Address already in use" not in self.log_tail(50):
                    raise
            except BaseException:
                self.kill()
                raise
            else:
                self.port = port
                progress(f"Apache Kafka answers at {self.brokers} after {time.monotonic() - began:.1f} s")
                return

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Stop the broker: SIGTERM, and SIGKILL if it still runs after ``timeout_s`` seconds."""
        if self._process is not None and self.is_alive():
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._clean_up()

    def kill(self) -> None:
        """Kill the broker (SIGKILL), as a power cut would end it."""
        if self._process is not None and self.is_alive():
            self._process.kill()
        self._clean_up()

    def _clean_up(self) -> None:
        """Let go of a process that ends: the leash first, as its pid is free after the wait."""
        if self._leash is not None:
            self._leash.let_go()
            self._leash = None
        if self._process is not None:
            self._process.wait()
            self._process = None

    def _configure(self, port: int, controller_port: int) -> None:
        """Write the broker's settings. All paths are relative to the data directory, where the JVM runs.

        A path of the user's may hold spaces, commas and letters that neither file's format takes.
        """
        properties = _PROPERTIES.format(host=HOST, port=port, controller_port=controller_port)
        (self.data_dir / "server.properties").write_text(properties)
        (self.data_dir / "log4j2.properties").write_text(_LOGGING)

    @staticmethod
    def _java(java: Path, jars: Path, *arguments: str) -> list[str]:
        # The serial collector suits a small heap and two cores: starts are half a second quicker than with G1.
        options = ["-XX:+UseSerialGC", "-Dlog4j2.configurationFile=log4j2.properties", "-cp", f"{jars}/*"]
        return [str(java), *options, *arguments]

    def _format(self, java: Path, jars: Path) -> None:
        """Give an empty data directory its cluster id; leave a used one as it is."""
        if (self.data_dir / "logs" / "meta.properties").exists():
            return
        # A leading "-", one time in 64, would be taken for an option.
        cluster_id = "L" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        tool = ["-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool"]
        command = self._java(java, jars, *tool, "format", "-t", cluster_id, "-c", "server.properties")
        try:
            subprocess.run(
                command,
                cwd=self.data_dir,
                env=_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=START_TIMEOUT_S,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise StartError(f"Kafka cannot use {self.data_dir}: {_told(error.stdout)}") from error
        except subprocess.TimeoutExpired as error:
            raise StartError(f"Kafka did not prepare {self.data_dir} within {START_TIMEOUT_S:.0f} s") from error

    def _spawn(self, java: Path, jars: Path) -> None:
        heap = [f"-Xms{min(self.heap_mb, 256)}m", f"-Xmx{self.heap_mb}m", "-XX:+ExitOnOutOfMemoryError"]
        command = self._java(java, jars, *heap, "kafka.Kafka", "server.properties")
        self._log_began = self.log_path.stat().st_size if self.log_path.exists() else 0
        with (self.data_dir / "console.log").open("wb") as console:
            self._process = subprocess.Popen(
                command,
                cwd=self.data_dir,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal must not end the broker before its clients
            )
        self._leash = Leash(self._process.pid)

    def _wait_until_it_answers(self, port: int) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        while not _is_ready(port):
            if not self.is_alive():
                raise StartError(f"before it answered, {self.last_words()}")
            if time.monotonic() > deadline:
                raise StartError(f"Kafka did not answer within {self.start_timeout_s:.0f} s.\n{self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self, lines: int = 10) -> str:
        """Return the last lines that the broker wrote since its start, and their file; stack frames left out."""
        for path, began in ((self.log_path, self._log_began), (self.data_dir / "console.log", 0)):
            text = path.read_bytes()[began:].decode(errors="replace") if path.exists() else ""
            if told := _told(text, lines):
                return f"{path} ends:\n{told}"
        return f"{self.log_path} is empty"

    def last_words(self) -> str:
        """Say how the broker ended, if it did by itself, and what it wrote last."""
        code = None if self._process is None else self._process.poll()
        return f"Kafka {'runs' if code is None else how_it_ended(code)}; {self.log_tail()}"

    def _check_data_is_free(self) -> None:
        """Refuse the directory of a running broker before its settings are written over."""
        lock_path = self.data_dir / "logs" / ".lock"
        if not lock_path.exists():
            return
        with lock_path.open("r+") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kind of lock that Java takes
            except OSError:
                raise StartError(f"another Kafka runs on {self.data_dir}: stop it, or use another directory") from None


def _environment() -> dict[str, str]:
    """Our environment, in a locale in which Java can open files whose path is not ASCII."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _told(text: str, lines: int = 10) -> str:
    """Return the last lines of what Java wrote, without stack frames."""
    return "\n".join([line for line in text.splitlines() if line and not line.lstrip().startswith("at ")][-lines:])


def _is_ready(port: int) -> bool:
    """Say whether the broker takes records, and coordinates groups and transactions.

    Asking for a coordinator creates its internal topic, so that the first worker need not wait for that.
    """
    # Metadata v1 for no topic; answered by the number of live brokers and their addresses.
    brokers = _ask(port, api_key=3, version=1, body=struct.pack(">i", 0))
    if brokers is None or struct.unpack_from(">i", brokers)[0] == 0:
        return False
    for kind in (0, 1):  # of a group, of a transactional id
        # FindCoordinator v1 of any name; answered by a throttle time and an error code.
        found = _ask(port, api_key=10, version=1, body=struct.pack(">h1sb", 1, b"a", kind))
        if found is None or struct.unpack_from(">ih", found)[1] != 0:
            return False
    return True


def _ask(port: int, api_key: int, version: int, body: bytes) -> bytes | None:
    """Send one request and return its answer's body, None if there is none (https://kafka.apache.org/protocol).

    A client of aiokafka would do as well, but needs an event loop and logs an error for each attempt in vain.
    """
    request = struct.pack(">hhih8s", api_key, version, 1, 8, b"leadheat") + body
    try:
        with socket.create_connection((HOST, port), timeout=5) as connection, connection.makefile("rb") as answers:
            connection.sendall(struct.pack(">i", len(request)) + request)
            length = answers.read(4)
            answer = answers.read(struct.unpack(">i", length)[0]) if len(length) == 4 else b""
    except OSError:
        return None
    return answer[4:] if len(answer) >= 10 else None
