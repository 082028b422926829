"""A hub on loopback, for real clients to ask."""

import hashlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

SHA = "a" * 40
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 4096,
    "vocab_size": 100,
    "tie_word_embeddings": False,
}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "eos_token": "</s>",
    "bos_token": "<s>",
    "pad_token": None,
}
TOKENIZER = {  # as the tokenizers library reads it
    "version": "1.0",
    "padding": None,
    "added_tokens": [
        {"id": number, "content": text, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for number, text in ((2, "<s>"), (3, "</s>"))
    ],
    "post_processor": None,
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
}


class Server(ThreadingHTTPServer):
    """One that says nothing of clients that went away."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class FakeHub:
    """What a hub answers, from a table of repositories; `requests` is what it was asked."""

    def __init__(self) -> None:
        self.repositories = {}
        self.requests = []
        self.trouble = {}  # (status, headers) or seconds to sleep, by repository
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                hub.answer(self)

            def do_HEAD(self):
                hub.answer(self)

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def add(self, name, files=None, *, kind="models", **about):
        files = {
            one: text if isinstance(text, bytes) else json.dumps(text).encode() for one, text in (files or {}).items()
        }
        sizes = {**{one: len(data) for one, data in files.items()}, **about.pop("sizes", {})}
        info = {"id": name, "sha": SHA, "gated": False, "private": False, "tags": [], **about}
        info["siblings"] = [{"rfilename": one, "size": size} for one, size in sizes.items()]
        self.repositories[kind, name] = info, files

    def answer(self, request):
        path = unquote(urlsplit(request.path).path)
        self.requests.append((request.command, path, request.headers.get("Authorization")))
        if "/tree/" in path:  # of folders, which these repositories have none of
            return self.send(request, 404, b"{}", {"X-Error-Code": "EntryNotFound"})
        api = re.fullmatch(r"/api/(models|datasets)/(.+?)(?:/revision/(.+))?", path)
        file = re.fullmatch(r"/(.+)/resolve/([^/]+)/(.+)", path)
        kind, name = (api[1], api[2]) if api else ("models", file[1] if file else "")
        trouble = self.trouble.get(name) or self.trouble.get(path)
        if isinstance(trouble, list):
            trouble = trouble.pop(0) if trouble else None
        if isinstance(trouble, float):
            time.sleep(trouble)
        elif trouble:
            return self.send(request, trouble[0], trouble[2] if len(trouble) > 2 else b"{}", trouble[1])
        if (kind, name) not in self.repositories:
            return self.send(
                request,
                401 if not request.headers.get("Authorization") else 404,
                b"{}",
                {"X-Error-Code": "RepoNotFound"},
            )
        info, files = self.repositories[kind, name]
        if api and api[3] and (kind, f"{name}@{api[3]}") not in self.repositories:
            return self.send(request, 404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        if api and api[3]:
            info, files = self.repositories[kind, f"{name}@{api[3]}"]
        if api:
            return self.send(request, 200, json.dumps(info).encode(), {"Content-Type": "application/json"})
        if info["gated"] and not request.headers.get("Authorization"):
            return self.send(request, 401, b"{}", {"X-Error-Code": "GatedRepo"})
        commits = {one["sha"]: held for (_, key), (one, held) in self.repositories.items() if key.startswith(name)}
        files = commits.get(file[2], files)
        if file[3] not in files or file[2] not in ("main", *commits):
            return self.send(request, 404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": info["sha"]})
        tag = hashlib.sha256(files[file[3]]).hexdigest()
        return self.send(request, 200, files[file[3]], {"ETag": f'"{tag}"', "X-Repo-Commit": info["sha"]})

    @staticmethod
    def send(request, status, body, headers):
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)
