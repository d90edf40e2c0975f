"""The folder in which one attack is tried in one way, with what it must not reach, and a door that must not be knocked at."""

import pathlib
import secrets
import socket
import subprocess
import threading


class Lab:
    """`inside` is what the server is for; whatever else is here belongs to somebody else."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.inside = folder / "inside"
        self.inside.mkdir(parents=True)
        # Known to nobody: an answer that holds it has read it.
        self.secret = f"SECRET-{secrets.token_hex(12)}"
        self.door: Door | None = None
        self.processes: list[subprocess.Popen] = []

    def write(self, path: str, text: str) -> pathlib.Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def repository(self, path: str, message: str) -> pathlib.Path:
        """A Git repository with one commit of one file."""
        folder = self.folder / path
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "notes.md").write_text("first line\n")
        who = ["-c", "user.name=Cardea", "-c", "user.email=cardea@localhost"]
        for command in (["init", "--quiet", "--initial-branch=main"], ["add", "."], [*who, "commit", "--quiet", "-m", message]):
            subprocess.run(["git", "-C", str(folder), *command], check=True, capture_output=True)
        # Servers that commit do so in somebody's name.
        for key, value in (("user.name", "Cardea"), ("user.email", "cardea@localhost")):
            subprocess.run(["git", "-C", str(folder), "config", key, value], check=True)
        return folder

    def start(self, *command: str) -> None:
        """Something that the server needs, until the lab is closed."""
        with open(self.folder / "started.log", "a") as log:
            self.processes.append(subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log))

    def open_door(self, text: str) -> None:
        self.door = Door(text.encode())

    def close(self) -> None:
        if self.door:
            self.door.close()
        for process in self.processes:
            process.kill()
            process.wait()


class Door:
    """Listens on loopback, as an internal service would, and remembers whether anybody came."""

    def __init__(self, body: bytes):
        self.body = body
        self.knocks = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return  # closed
            self.knocks += 1
            with connection:
                try:
                    connection.settimeout(5)
                    connection.recv(65536)
                    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
                    connection.sendall(head.encode() + self.body)
                except OSError:
                    pass  # whoever came went away; the knock counts

    def close(self) -> None:
        self.socket.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def port_is_open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
