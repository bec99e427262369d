"""A shopper on Python's `websockets`: asks, loses the connection, resumes by position, closes, rates.

Usage: shopper.py http://127.0.0.1:PORT
"""

import asyncio
import json
import sys
import urllib.request

import websockets

BASE = sys.argv[1]


def post(path, body):
    request = urllib.request.Request(
        BASE + path, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Shopper:
    """Holds a position per conversation and takes entries by the rule of the protocol (4.3)."""

    def __init__(self, token):
        self.token = token
        self.socket = None
        self.position = {}
        self.asked = 0

    async def connect(self):
        address = BASE.replace("http", "ws", 1) + "/ws/visitor"
        self.socket = await websockets.connect(address, subprotocols=["rushdesk.v1"])
        resume = [{"conversation": c, "after": after} for c, after in self.position.items()]
        hello = {"type": "hello", "token": self.token, "locale": "zh-CN", "resume": resume}
        return await self.ask(hello)

    async def say(self, frame):
        text = json.dumps(frame, ensure_ascii=False)
        print("python shopper →", text.replace(self.token, "…"), flush=True)
        await self.socket.send(text)

    async def hear(self):
        text = await asyncio.wait_for(self.socket.recv(), 10)
        print("python shopper ←", text, flush=True)
        frame = json.loads(text)
        if frame["type"] == "entry":
            have = self.position.get(frame["conversation"], 0)
            assert frame["prev"] <= have < frame["seq"] or frame["seq"] <= have, "a hole"
            self.position[frame["conversation"]] = max(have, frame["seq"])
        return frame

    async def until(self, fits):
        while True:
            frame = await self.hear()
            if fits(frame):
                return frame

    async def ask(self, frame):
        self.asked += 1
        frame["id"] = f"p{self.asked}"
        await self.say(frame)
        answer = await self.until(lambda f: f.get("re") == frame["id"] and f["type"] != "entry")
        assert answer["type"] != "error", answer
        return answer

    async def send(self, conversation, text):
        content = {"kind": "text", "text": text}
        return await self.ask({"type": "send", "conversation": conversation, "content": content})

    async def agent_answers(self):
        return await self.until(lambda f: f["type"] == "entry" and f["from"]["kind"] == "agent")


async def main():
    shopper = Shopper(post("/api/v1/visitors", {"name": "王小姐"})["token"])
    await shopper.connect()
    opened = await shopper.ask({"type": "open", "subject": "包裹", "intent": "logistics"})
    conversation = opened["conversation"]
    await shopper.send(conversation, "我的快递在哪里？")
    await shopper.agent_answers()
    await shopper.send(conversation, "订单号 20251111-7")
    # The train enters the tunnel: no goodbye.
    shopper.socket.transport.abort()
    await shopper.connect()
    await shopper.agent_answers()
    await shopper.ask({"type": "close", "conversation": conversation})
    await shopper.ask({"type": "rate", "conversation": conversation, "score": 5, "comment": "谢谢"})
    await shopper.socket.close()


asyncio.run(main())
