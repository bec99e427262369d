"""An agent on Python's `websockets`: signs in, comes online, answers each message, leaves after one conversation.

Usage: agent.py http://127.0.0.1:PORT LOGIN PASSWORD
"""

import asyncio
import json
import sys
import urllib.request

import websockets

BASE, LOGIN, PASSWORD = sys.argv[1:4]


def log_in():
    body = json.dumps({"login": LOGIN, "password": PASSWORD}).encode()
    request = urllib.request.Request(
        BASE + "/api/v1/auth/login", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["token"]


async def main():
    token = log_in()
    address = BASE.replace("http", "ws", 1) + "/ws/agent"
    taken = 0
    asked = 0
    fetching = False
    async with websockets.connect(address, subprotocols=["rushdesk.v1"]) as socket:

        async def say(frame):
            nonlocal asked
            asked += 1
            frame["id"] = f"pa{asked}"
            text = json.dumps(frame, ensure_ascii=False)
            print("python agent →", text.replace(token, "…"), flush=True)
            await socket.send(text)

        async def fetch(conversation):
            """One fetch at a time (protocol 10)."""
            nonlocal fetching
            if not fetching:
                fetching = True
                await say({"type": "fetch", "conversation": conversation, "after": taken})

        await say({"type": "hello", "token": token})
        await say({"type": "presence", "status": "online"})
        while True:
            text = await asyncio.wait_for(socket.recv(), 30)
            print("python agent ←", text, flush=True)
            frame = json.loads(text)
            assert frame["type"] != "error", frame
            if frame["type"] == "assigned":
                await fetch(frame["conversation"])
            if frame["type"] == "caught_up":
                fetching = False
            if frame["type"] != "entry" or frame["seq"] <= taken:
                continue
            if frame["prev"] > taken:
                await fetch(frame["conversation"])
                continue
            taken = frame["seq"]
            content = frame["content"]
            if content.get("event") == "closed":
                await say({"type": "presence", "status": "offline"})
                return
            if frame["from"]["kind"] == "visitor" and content["kind"] == "text":
                answer = {"kind": "text", "text": f"您好，关于“{content['text']}”，正在为您查询"}
                await say({"type": "send", "conversation": frame["conversation"], "content": answer})


asyncio.run(main())
