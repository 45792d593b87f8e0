#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""death - kills one process of a sandbox at a random moment, many times, and looks at what is left.

  death.py [--rounds N] [--seed N] [--workers N] [--program OC] [--verbose] KIND...

KIND: caller monitor init broker runner payload janitor both (monitor and janitor at once); all of them by default.

In each round a worker starts `oc-sandbox run --keep` for an agent of its own, kills, and wants: the caller ends; a sandbox that
lives on can be stopped; then nothing is left (processes, cgroups, mounts, entries of the run directory, files in the state
directory); the next `run` works; another sandbox, which was there before, still answers and has the same pid 1.

As root in a mount namespace with an empty /run, as somebody else with a run directory of his own: what others run at the same
time is not looked at.  Kills only processes that descend from it.
"""
import argparse
import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

KINDS = ["caller", "monitor", "init", "broker", "runner", "payload", "janitor", "both"]
libc = ctypes.CDLL(None, use_errno=True)
SYS_KCMP = {"x86_64": 312, "aarch64": 272}[os.uname().machine]
PR_SET_CHILD_SUBREAPER, MS_REC, MS_PRIVATE, CLONE_NEWNS = 36, 16384, 1 << 18, 0x20000
PATIENCE = 20.0  # seconds for whatever has to happen by itself; the machine may be busy


class Failure(Exception):
    pass


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""


def children(pid):
    """Direct children of all threads."""
    out = []
    try:
        for tid in os.listdir(f"/proc/{pid}/task"):
            out += [int(x) for x in read(f"/proc/{pid}/task/{tid}/children").split()]
    except OSError:
        pass
    return out


class Process:
    def __init__(self, pid):
        self.pid = pid
        stat = read(f"/proc/{pid}/stat")
        if not stat:
            raise ProcessLookupError
        self.comm = stat[stat.index("(") + 1:stat.rindex(")")]
        rest = stat[stat.rindex(")") + 2:].split()
        self.state, self.ppid, self.start = rest[0], int(rest[1]), rest[19]
        ids = [line.split()[1:] for line in read(f"/proc/{pid}/status").splitlines() if line.startswith("NSpid:")]
        self.inner = [int(x) for x in ids[0]] if ids else [pid]


def tree(root):
    """Living descendants of root."""
    out, todo = [], [root]
    while todo:
        for pid in children(todo.pop()):
            todo.append(pid)
            try:
                p = Process(pid)
            except ProcessLookupError:
                continue
            if p.state not in "ZX":
                out.append(p)
    return out


def end(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def same_memory(a, b):
    return libc.syscall(SYS_KCMP, a, b, 1, 0, 0) == 0


def roles(caller, depth):
    """Name -> process of what descends from this one.  depth: pid namespaces down to us."""
    all_of_them = tree(os.getpid())
    found = {}
    for p in all_of_them:
        if p.pid == caller:
            found["caller"] = p
        elif p.comm == "oc-egress":
            found["broker"] = p
        elif len(p.inner) > depth and p.inner[-1] == 1:
            found["init"] = p
    if "init" in found:
        boss = found["init"].ppid
        for p in all_of_them:
            if p.pid == boss and p.pid != caller:
                found["monitor"] = p
            elif p.ppid == boss and len(p.inner) == depth and p.comm != "oc-egress" and same_memory(p.pid, boss):
                found["janitor"] = p
            elif p.comm == "sleep" and len(p.inner) > depth:
                found["payload"] = p
        # Others wait for a command.
        for p in all_of_them:
            if "payload" in found and p.pid == found["payload"].ppid and p.ppid == found["init"].pid:
                found["runner"] = p
    else:
        # Before pid 1 is there the first that calls itself so.
        for p in all_of_them:
            if p.pid != caller and p.comm == "oc-monitor" and p.ppid in (os.getpid(), caller):
                found.setdefault("monitor", p)
    return found, all_of_them


def cgroups(pids):
    """Groups that were made by one of these, or by anybody."""
    out = []
    wanted = {f"oc-sandbox-{p}" for p in pids or ()}
    places = {"/sys/fs/cgroup"}
    for line in read("/proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        base = "/sys/fs/cgroup" if names == "" else f"/sys/fs/cgroup/{names}"
        while True:
            places.add(base + path.rstrip("/"))
            if path in ("", "/"):
                break
            path = os.path.dirname(path)
    for place in places:
        try:
            names = os.listdir(place)
        except OSError:
            continue
        out += [f"{place}/{n}" for n in names if n.startswith("oc-sandbox-") and
                (pids is None or n.rsplit("-", 1)[0] in wanted)]
    return out


def files(top):
    out = set()
    for where, dirs, names in os.walk(top):
        for name in dirs + names:
            out.add(os.path.relpath(os.path.join(where, name), top))
    return out


class Worker:
    def __init__(self, number, args, top, run_dir, bystander):
        self.number, self.args, self.run_dir, self.bystander = number, args, run_dir, bystander
        self.agent = f"w{number}"
        self.random = random.Random(args.seed * 1000 + number)
        self.state = os.path.join(top, f"state-{number}")
        self.env = dict(os.environ, OPENCLAW_STATE_DIR=self.state, HOME=os.path.join(top, f"home-{number}"))
        os.makedirs(self.env["HOME"], exist_ok=True)
        self.error_file = os.path.join(top, f"error-{number}")
        self.depth = len(Process(os.getpid()).inner)
        self.seen = set()
        self.known_files = set()
        self.old_groups = set(cgroups(None))
        self.patience = PATIENCE

    def spawn(self, *argv):
        null = os.open("/dev/null", os.O_RDWR)
        err = os.open(self.error_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        acts = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, err, 2)]
        pid = os.posix_spawn(self.args.program, [self.args.program, *argv], self.env, file_actions=acts)
        os.close(null)
        os.close(err)
        return pid

    def reap(self):
        """Orphans come to us.  Returns {pid: status}."""
        done = {}
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG | 0x40000000)  # __WALL
                if pid == 0:
                    break
                done[pid] = os.waitstatus_to_exitcode(status)
        except ChildProcessError:
            pass
        return done

    def wait(self, pid, what):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            done = self.reap()
            if pid in done:
                return done[pid]
            time.sleep(0.002)
        everybody = [(p.pid, p.ppid, p.comm, p.inner, p.state) for p in tree(os.getpid())]
        raise Failure(f"{what} ({pid}) does not end: {read(self.error_file).strip()} {everybody}")

    def command(self, *argv):
        return self.wait(self.spawn(*argv), argv[0])

    def until(self, what, condition):
        late = time.monotonic() + self.patience
        while True:
            self.reap()
            left = condition()
            if not left:
                return
            if time.monotonic() > late:
                raise Failure(f"{what}: {left}")
            time.sleep(0.01)

    def nothing_left(self):
        self.until("processes", lambda: [(p.pid, p.comm, p.state) for p in tree(os.getpid())])
        # They were the ones to do it: nobody needs to be waited for.  Another worker's next launch would sweep, too.
        self.patience = 0
        try:
            self.no_traces()
        finally:
            self.patience = PATIENCE

    def no_traces(self):
        # A number may have been somebody else's before.
        self.until("cgroups", lambda: [g for g in cgroups(self.seen) if g not in self.old_groups])
        self.until("run directory", self.entries)
        new = {f for f in files(self.state) if f not in self.known_files}
        if new and self.known_files:
            raise Failure(f"files: {sorted(new)}")

    def entries(self):
        """What of ours is in the run directory: entries of a monitor that we have seen, and files of scopes that name them."""
        out, ids = [], []
        try:
            names = os.listdir(self.run_dir)
        except OSError:
            return []
        for name in names:
            info = read(f"{self.run_dir}/{name}/info.json")
            if f'"agent":"{self.agent}"' in info.replace(" ", ""):
                out.append(name)
                ids.append(name)
        for name in names:
            if name.startswith("scope-") and read(f"{self.run_dir}/{name}").strip() in ids:
                out.append(name)
        return out

    def look_at_bystander(self):
        ident, pid, start = self.bystander
        try:
            if Process(pid).start != start:
                raise ProcessLookupError
        except ProcessLookupError:
            raise Failure("the other sandbox has another pid 1, or none") from None
        env = dict(self.env, OPENCLAW_STATE_DIR=self.env["OC_DEATH_STATE"])
        keep, self.env = self.env, env
        try:
            status = self.command("exec", ident, "--", "sh", "-c", "exit 7")
        finally:
            self.env = keep
        if status != 7:
            raise Failure(f"the other sandbox answers with {status}: {read(self.error_file).strip()}")

    def options(self):
        return ["--no-config", "--agent", self.agent, "--allow", "example.org"]

    def victims(self, kind, caller):
        """Wait until they exist, and for a random moment, often none."""
        names = {"both": ["monitor", "janitor"]}.get(kind, [kind])
        begun = time.monotonic()
        first = self.random.choice([0, 0, self.random.uniform(0, 0.01), self.random.uniform(0, 0.03), self.random.uniform(0, 0.2)])
        while True:
            found, everybody = roles(caller, self.depth)
            self.seen.update(p.pid for p in everybody)
            if all(n in found for n in names) and time.monotonic() - begun >= first:
                return [found[n].pid for n in names]
            if caller in self.reap():
                raise Failure(f"it ended before {kind} was there: {read(self.error_file).strip()}")
            if time.monotonic() - begun > PATIENCE:
                raise Failure(f"there is no {kind}")

    def round(self, kind):
        self.seen = set()
        caller = self.spawn("run", "--keep", *self.options(), "--", "sleep", "1000")
        victims = self.victims(kind, caller)
        for pid in victims:
            end(pid)
        # The broker only takes the network with it, the janitor nothing at all.
        if kind in ("broker", "janitor"):
            time.sleep(self.random.uniform(0, 0.05))
            self.seen.update(p.pid for p in tree(os.getpid()))
            end(caller)
        self.wait(caller, "the caller")
        self.seen.update(p.pid for p in tree(os.getpid()))
        # It may live on, or be in the middle of its start or end: `rm` is for both.
        late = time.monotonic() + PATIENCE
        while tree(os.getpid()):
            self.command("stop", self.agent)
            if time.monotonic() > late:
                raise Failure(f"it lives on: {[(p.pid, p.comm) for p in tree(os.getpid())]}")
        if kind != "both":
            self.nothing_left()
        status = self.command("run", *self.options(), "--", "sh", "-c", "exit 3")
        if status != 3:
            raise Failure(f"the next run: {status}: {read(self.error_file).strip()}")
        self.nothing_left()
        self.look_at_bystander()

    def main(self, kinds, rounds):
        libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        # What stays in a state directory anyway: of one whole life.
        if self.command("run", "--keep", *self.options(), "--", "true") != 0:
            print(f"worker {self.number}: {read(self.error_file)}", flush=True)
            return 1
        if self.command("stop", self.agent) != 0:
            print(f"worker {self.number}: stop: {read(self.error_file)}", flush=True)
            return 1
        self.command("run", *self.options(), "--", "true")
        self.nothing_left()
        self.known_files = files(self.state) or {"."}
        mounts = read("/proc/self/mountinfo")
        for i in range(rounds):
            kind = kinds[(i * self.args.workers + self.number) % len(kinds)]
            began = time.monotonic()
            try:
                self.round(kind)
                if read("/proc/self/mountinfo") != mounts:
                    raise Failure("mounts")
            except Failure as e:
                print(f"worker {self.number} round {i} {kind}: {e}", flush=True)
                return 1
            if self.args.verbose:
                print(f"worker {self.number} round {i} {kind}: {time.monotonic() - began:.2f} s", flush=True)
        return 0


def private_run(top):
    """A run directory that is nobody else's."""
    if os.geteuid() == 0:
        if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) or \
                libc.mount(b"tmpfs", b"/run", b"tmpfs", 0, b"mode=755"):
            sys.exit(f"mount namespace: {os.strerror(ctypes.get_errno())}")
        return "/run/oc-sandbox"
    run = os.path.join(top, "run")
    os.mkdir(run, 0o700)
    os.environ["XDG_RUNTIME_DIR"] = run
    return os.path.join(run, "oc-sandbox")


def start_bystander(args, top):
    state = os.path.join(top, "state-other")
    os.environ["OC_DEATH_STATE"] = state
    env = dict(os.environ, OPENCLAW_STATE_DIR=state, HOME=top)
    done = subprocess.run([args.program, "start", "--no-config", "--agent", "other"], env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the other sandbox: {done.stderr}")
    depth = len(Process(os.getpid()).inner)
    pid = [p for p in tree(os.getpid()) if len(p.inner) > depth and p.inner[-1] == 1]
    if not pid:
        sys.exit("the other sandbox has no pid 1")
    return done.stdout.strip(), pid[0].pid, pid[0].start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"))
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--program", default=os.environ.get("OC_SANDBOX", "oc-sandbox"))
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    args = parser.parse_args()
    kinds = args.kinds or KINDS
    if set(kinds) - set(KINDS):
        parser.error(f"a KIND is one of: {' '.join(KINDS)}")
    args.program = os.path.abspath(args.program)
    print(f"# seed {args.seed}, {args.rounds} rounds: {' '.join(kinds)}", flush=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    top = tempfile.mkdtemp(prefix="oc-death.")
    os.chmod(top, 0o755)
    began = time.monotonic()
    run_dir = private_run(top)
    bystander = start_bystander(args, top)
    failed = 0
    try:
        pids = []
        for n in range(args.workers):
            rounds = args.rounds // args.workers + (n < args.rounds % args.workers)
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    status = Worker(n, args, top, run_dir, bystander).main(kinds, rounds)
                except BaseException as e:  # pylint: disable=broad-except
                    print(f"worker {n}: {e!r}", flush=True)
                # A failure leaves what it found for whoever looks; ours go.
                for p in tree(os.getpid()):
                    end(p.pid)
                os._exit(status)
            pids.append(pid)
        for pid in pids:
            failed += os.waitpid(pid, 0)[1] != 0
        env = dict(os.environ, OPENCLAW_STATE_DIR=os.environ["OC_DEATH_STATE"], HOME=top)
        if subprocess.run([args.program, "stop", bystander[0]], env=env, check=False).returncode:
            print("the other sandbox cannot be stopped", flush=True)
            failed += 1
    finally:
        for p in tree(os.getpid()):
            end(p.pid)
        shutil.rmtree(top, ignore_errors=True)
    print(f"# {time.monotonic() - began:.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
