"""A hostile server: tries one way out of its sandbox and says whether it worked.

Usage: attacks.py ATTACK [ARGUMENT ...]. The last line on standard output is `passed` or `held: <why>`; an attack that ends the
process says nothing. What works does no harm: files are opened and not written, namespaces left at once, bombs are small.
"""

import ctypes
import errno
import fcntl
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

# Numbers of x86-64 and of the generic table, by architecture.
SYSCALLS = {
    "x86_64": {"ptrace": 101, "keyctl": 250, "bpf": 321, "io_uring_setup": 425, "userfaultfd": 323, "unshare": 272,
               "mount": 165, "pivot_root": 155, "memfd_create": 319, "shmget": 29, "process_vm_readv": 310,
               "sethostname": 170, "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "add_key": 248},
    "aarch64": {"ptrace": 117, "keyctl": 219, "bpf": 280, "io_uring_setup": 425, "userfaultfd": 282, "unshare": 97,
                "mount": 40, "pivot_root": 41, "memfd_create": 279, "shmget": 194, "process_vm_readv": 270,
                "sethostname": 161, "perf_event_open": 241, "open_by_handle_at": 265, "setns": 268, "add_key": 217},
}[os.uname().machine]


def call(name, *arguments):
    """A system call by its name; raises OSError as Python's own functions do."""
    wrapped = [ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_void_p(a) if a is None else a for a in arguments]
    result = libc.syscall(ctypes.c_long(SYSCALLS[name]), *wrapped)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def no(text):
    raise OSError(errno.EPERM, text)


# Files

def read_file(path):
    with open(path, "rb") as file:
        file.read(16)


def open_for_writing(path):
    with open(path, "r+b"):
        pass


def make_file(path):
    with open(path, "xb"):
        pass
    os.unlink(path)


def read_through_symlink(folder, target):
    link = os.path.join(folder, "way-out")
    os.symlink(target, link)
    try:
        read_file(link)
    finally:
        os.unlink(link)


def raise_mode(folder):
    """Leaves a program that runs as its owner, or as its group, in a folder of the host's, in any way that there is."""
    flags = os.O_CREAT | os.O_WRONLY | os.O_EXCL
    ways = []
    for bit in (0o4000, 0o2000):
        ways += [
            lambda path, mode=0o755 | bit: (os.close(os.open(path, flags, 0o755)), os.chmod(path, mode)),
            lambda path, mode=0o755 | bit: os.close(os.open(path, flags, mode)),
            lambda path, mode=0o755 | bit: os.mknod(path, stat.S_IFREG | mode),
        ]
    for number, way in enumerate(ways):
        path = os.path.join(folder, f"raised-{number}")
        try:
            way(path)
        except OSError as held:
            reason = held
        if os.path.exists(path) and os.stat(path).st_mode & 0o6000:
            return
    raise reason


def execute(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def execute_written(folder, program):
    path = os.path.join(folder, "written")
    with open(program, "rb") as source, open(path, "wb") as copy:
        copy.write(source.read())
    os.chmod(path, 0o755)
    try:
        execute(path, "--version")
    finally:
        os.unlink(path)


def execute_memory(program):
    descriptor = call("memfd_create", b"hidden", 0)
    with open(program, "rb") as source, os.fdopen(os.dup(descriptor), "wb") as copy:
        copy.write(source.read())
    path = f"/proc/self/fd/{descriptor}"
    subprocess.run([path, "--version"], check=True, pass_fds=[descriptor], stdout=subprocess.DEVNULL)


# The gateway and other processes

def see_process(pid):
    with open(f"/proc/{pid}/comm", "rb") as file:
        if file.read().strip() != b"sleep":
            no("another process has this number")


def read_environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        if b"GATEWAY_SECRET" not in file.read():
            no("the secret is not there")


def read_memory(pid):
    with open(f"/proc/{pid}/maps") as maps:
        start = int(next(line for line in maps if "[stack]" in line).split("-")[0], 16)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(start)
        memory.read(16)


def see_through_root(pid):
    os.listdir(f"/proc/{pid}/root/")


def send_signal(pid):
    os.kill(int(pid), 0)


def in_process_group(group):
    if os.getpgid(0) != int(group):
        no("this is another process group")


def trace():
    call("ptrace", 0, 0, None, None)


def vm_read():
    call("process_vm_readv", os.getpid(), None, 0, None, 0, 0)


def first_process():
    os.readlink("/proc/1/root")
    read_file("/proc/1/environ")


# What is inherited

def variables(*names):
    found = [name for name in names if name in os.environ]
    if not found:
        no("none of them is there")


def descriptors():
    listed = [int(name) for name in os.listdir("/proc/self/fd")]
    open_ones = []
    for number in listed:
        try:
            os.fstat(number)
            open_ones.append(number)
        except OSError:
            pass
    if max(open_ones) <= 2:
        no("only the standard streams are open")


def privileges_can_be_gained():
    with open("/proc/self/status") as status:
        if "NoNewPrivs:\t1" in status.read():
            no("no_new_privs is set")


def host_name(name):
    if socket.gethostname() != name:
        no("this is another name")


# Network

def tcp(host, port):
    with socket.create_connection((host, int(port)), timeout=3):
        pass


def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(3)
        sender.connect((host, int(port)))
        sender.send(b"tunnel.example")
        sender.recv(16)


def raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


def packet():
    socket.socket(17, socket.SOCK_RAW, 0).close()


def abstract_socket(name):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(3)
        client.connect("\0" + name)


def unix_socket(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(3)
        client.connect(path)


def look_up(name):
    socket.getaddrinfo(name, 80)


def by_proxy(target):
    with socket.create_connection(("127.0.0.1", 3128), timeout=10) as stream:
        stream.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        answer = stream.recv(1024)
        if b" 200 " not in answer.split(b"\r\n")[0]:
            no(answer.decode(errors="replace"))
        stream.sendall(b"ping")
        if stream.recv(4) != b"ping":
            no("nothing came back")


def by_name(host, port):
    with socket.create_connection((host, int(port)), timeout=10) as stream:
        stream.sendall(b"ping")
        if stream.recv(4) != b"ping":
            no("nothing came back")


# The kernel

def keys():
    call("keyctl", 0, -4 & 0xFFFFFFFF, 0)


def add_key():
    call("add_key", b"user", b"hidden", b"x", 1, -2 & 0xFFFFFFFF)


def bpf():
    call("bpf", 0, struct.pack("IIIII", 2, 4, 4, 1, 0) + bytes(100), 72)


def io_uring():
    call("io_uring_setup", 4, ctypes.create_string_buffer(120))


def userfaultfd():
    call("userfaultfd", 1)


def perf():
    call("perf_event_open", struct.pack("IIQ", 1, 64, 0) + bytes(100), 0, -1, -1, 0)


def namespaces():
    call("unshare", 0x10000000)


def mount():
    call("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None)


def pivot():
    call("mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None)
    os.mkdir("/tmp/old")
    call("pivot_root", b"/tmp", b"/tmp/old")


def rename_host():
    call("sethostname", b"sandbox", 7)


def shared_memory(key):
    call("shmget", int(key), 0, 0)


# Using up

def fork_bomb(count):
    children = []
    try:
        for _ in range(int(count)):
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)


def memory_bomb(mebibytes):
    held = []
    for _ in range(int(mebibytes)):
        held.append(bytearray(b"x") * (1 << 20))


def shared_mapping_bomb(mebibytes):
    """Memory that could be shared with another process, which counts for none of them."""
    import mmap

    blocks = []
    for _ in range(int(mebibytes)):
        block = mmap.mmap(-1, 1 << 20)
        block.write(b"x" * (1 << 20))
        blocks.append(block)


def change_device(path):
    """To what it is already, so that nothing happens where this passes."""
    os.chmod(path, stat.S_IMODE(os.stat(path).st_mode))


def shared_memory_bomb(processes, mebibytes):
    """Several processes hold memory at the same time; each is told to go when all have it."""
    ready, tell = os.pipe()
    wait, go = os.pipe()
    children = []
    for _ in range(int(processes)):
        child = os.fork()
        if child == 0:
            os.close(go)
            held = bytearray(b"x") * (int(mebibytes) << 20)
            os.write(tell, b"x")
            os.close(tell)
            os.read(wait, 1)
            os._exit(0 if held else 1)
        children.append(child)
    os.close(tell)
    # One that is ended closes its end: then there are fewer bytes than processes.
    arrived = 0
    while arrived < len(children) and os.read(ready, 1):
        arrived += 1
    os.close(go)
    for child in children:
        os.waitpid(child, 0)
    if arrived < len(children):
        no("a process was ended")


def fill(folder, mebibytes):
    written = []
    try:
        for number in range(int(mebibytes)):
            path = os.path.join(folder, f"fill-{os.getpid()}-{number}")
            written.append(path)
            with open(path, "xb") as file:
                file.write(bytes(1 << 20))
    finally:
        for path in written:
            if os.path.exists(path):
                os.unlink(path)


def long_file(folder, mebibytes):
    path = os.path.join(folder, f"long-{os.getpid()}")
    try:
        with open(path, "xb") as file:
            for _ in range(int(mebibytes)):
                file.write(bytes(1 << 20))
    finally:
        os.unlink(path)


def exhaust_descriptors(count):
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(int(count))]
    for descriptor in held:
        os.close(descriptor)


def spin(seconds):
    end = time.process_time() + float(seconds)
    while time.process_time() < end:
        pass


def daemon(path):
    """Leaves a process behind that holds a lock on the file for as long as it lives."""
    ready, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            lock = os.open(path, os.O_RDWR)
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.write(tell, b"x")
            for stream in range(3):
                os.close(stream)
            time.sleep(60)
        os._exit(0)
    os.read(ready, 1)


def main():
    attack, arguments = sys.argv[1], sys.argv[2:]
    try:
        globals()[attack](*arguments)
    except (OSError, MemoryError, subprocess.SubprocessError, StopIteration, RuntimeError) as error:
        print(f"held: {type(error).__name__}: {error}", flush=True)
        return
    print("passed", flush=True)


main()
