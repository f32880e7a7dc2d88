"""Ports of this machine: is one free, and which are."""

from __future__ import annotations

import os
import socket

from scoring.errors import StartError


def check_port_is_free(host: str, port: int, remedy: str) -> None:
    """Raise :class:`StartError`, which names the port and ends with ``remedy``, if something listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what has just closed is not in the way
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(f"port {port} is not free ({os.strerror(error.errno or 0)}): {remedy}") from error


def free_ports(host: str, count: int) -> list[int]:
    """Return ``count`` different ports that nothing listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((host, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
