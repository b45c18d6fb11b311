# SPDX-License-Identifier: Apache-2.0
"""Runs in a root of Debian trixie that has Pagure: a server on loopback, with two users and a project.

pagure_serve.py PORT REDIS_PORT: prints one line of JSON when it answers, and serves until it is killed.
"""

import json
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

PORT, REDIS = sys.argv[1], sys.argv[2]
HOME = Path("/srv/pagure")
CONFIG = f"""
SECRET_KEY = "for tests alone"
DB_URL = "sqlite:////srv/pagure/pagure.sqlite"
GIT_FOLDER = "/srv/pagure/repos"
DOCS_FOLDER = TICKETS_FOLDER = REQUESTS_FOLDER = None
REMOTE_GIT_FOLDER = "/srv/pagure/remotes"
ATTACHMENTS_FOLDER = UPLOAD_FOLDER_PATH = "/srv/pagure/files"
REDIS_HOST, REDIS_PORT, REDIS_DB = "127.0.0.1", {REDIS}, 0
BROKER_URL = "redis://127.0.0.1:{REDIS}/0"
APP_URL = "http://127.0.0.1:{PORT}/"
DOC_APP_URL = GIT_URL_GIT = "http://127.0.0.1:{PORT}/"
GIT_AUTH_BACKEND = "pagure"
PAGURE_AUTH = "local"
ALLOW_HTTP_PUSH = True
HTTP_REPO_ACCESS_GITOLITE = None
EMAIL_SEND = False
EVENTSOURCE_SOURCE = None
"""


def main() -> None:
    """Set it up from nothing, then serve."""
    subprocess.run(["rm", "-rf", str(HOME)], check=True)
    for name in ("repos", "remotes", "files"):
        (HOME / name).mkdir(parents=True)
    (HOME / "pagure.cfg").write_text(CONFIG)
    os.environ["PAGURE_CONFIG"] = str(HOME / "pagure.cfg")
    os.environ["HOME"] = str(HOME)
    os.environ["PYTHONWARNINGS"] = "ignore"
    os.chdir(HOME)
    for setting in (("user.name", "Pagure"), ("user.email", "pagure@localhost"), ("safe.directory", "*")):
        subprocess.run(["git", "config", "--global", *setting], check=True)
    quiet = {"stdout": (HOME / "log").open("a"), "stderr": subprocess.STDOUT}
    subprocess.Popen(["redis-server", "--port", REDIS, "--bind", "127.0.0.1", "--save", ""], **quiet)
    create = ["/usr/share/pagure/createdb.py", "-c", str(HOME / "pagure.cfg")]
    subprocess.run(["python3", *create], check=True, **quiet)
    queues = "celery,pagure_ci,gitolite_queue,authorized_keys_queue"
    worker = ["celery", "-A", "pagure.lib.tasks", "worker", "-Q", queues, "-c", "1", "--loglevel", "WARNING"]
    subprocess.Popen(worker, **quiet, env={**os.environ, "C_FORCE_ROOT": "1"})
    from pagure.flask_app import create_app

    app = create_app()
    tokens = users(app)
    server = make_server("127.0.0.1", int(PORT), headers_right(app), _Server, _Quiet)
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{PORT}", "tokens": tokens}) + "\n")
    sys.stdout.flush()
    server.serve_forever()


def users(app: object) -> dict[str, str]:
    """Make two users, a project of the first that the second may commit to, and a token each."""
    import pagure.config
    import pagure.lib.login as login
    import pagure.lib.model as model
    import pagure.lib.query as query

    session = query.create_session(pagure.config.config["DB_URL"])
    for name in ("bot", "alice"):
        user = query.set_up_user(session, name, name.title(), f"{name}@example.test")
        user.password = login.generate_hashed_value(f"password-of-{name}")
        session.add(user)
    session.commit()
    query.new_project(
        session,
        user="bot",
        name="fleet",
        namespace="acme",
        blacklist=[],
        allowed_prefix=["acme"],
        repospanner_region=None,
        default_branch="main",
    )
    session.commit()
    deadline = time.monotonic() + 120
    while not (HOME / "repos" / "acme" / "fleet.git" / "HEAD").exists():  # the worker makes it
        assert time.monotonic() < deadline, "the worker makes no repository"
        time.sleep(0.2)
    project = query.get_authorized_project(session, "fleet", namespace="acme")
    query.add_user_to_project(session, project, "alice", "bot", access="commit")
    session.commit()
    every = [acl.name for acl in session.query(model.ACL).all()]
    made = {}
    for name in ("bot", "alice"):
        query.add_token_to_user(session, project, every, name, date.today() + timedelta(days=30))
        session.commit()
        made[name] = query.search_user(session, username=name).tokens[-1].id
    session.remove()
    return made


def headers_right(app: object) -> object:
    """Pagure under Python 3 names the headers of Git's answers b'...'; Git cannot read that."""

    def right(text: str) -> str:
        return text[2:-1] if text.startswith("b'") and text.endswith("'") else text

    def wrapped(environ: dict, start_response: object) -> object:
        def start(status: str, headers: list, exc_info: object = None) -> object:
            return start_response(status, [(right(name), right(value)) for name, value in headers])

        return app(environ, start)

    return wrapped


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing on the terminal."""


main()
