// A shopper on Node's `ws`: asks, loses the connection, resumes by position, closes, rates.
// Usage: node shopper.mjs http://127.0.0.1:PORT

import { createRequire } from "node:module";

const WebSocket = createRequire(process.env.FOREIGN_MODULES)("ws");
const base = process.argv[2];

async function post(path, body) {
  const answer = await fetch(base + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

class Shopper {
  constructor(token) {
    this.token = token;
    this.position = {};
    this.asked = 0;
    this.heard = [];
    this.waiting = [];
  }

  async connect() {
    this.socket = new WebSocket(base.replace("http", "ws") + "/ws/visitor", ["rushdesk.v1"]);
    await new Promise((done, failed) => this.socket.once("open", done).once("error", failed));
    this.socket.on("message", (data) => this.take(data.toString()));
    const resume = Object.entries(this.position).map(([conversation, after]) => ({ conversation, after }));
    return this.ask({ type: "hello", token: this.token, locale: "en", resume });
  }

  take(text) {
    console.log("node shopper ←", text);
    const frame = JSON.parse(text);
    if (frame.type === "entry") {
      const have = this.position[frame.conversation] ?? 0;
      if (frame.prev > have) throw new Error("a hole");
      this.position[frame.conversation] = Math.max(have, frame.seq);
    }
    this.heard.push(frame);
    this.waiting = this.waiting.filter((look) => !look());
  }

  until(fits) {
    return new Promise((done, failed) => {
      const late = setTimeout(() => failed(new Error("nothing within 10 s")), 10_000);
      const look = () => {
        const at = this.heard.findIndex(fits);
        if (at < 0) return false;
        clearTimeout(late);
        const [frame] = this.heard.splice(at, 1);
        done(frame);
        return true;
      };
      if (!look()) this.waiting.push(look);
    });
  }

  async ask(frame) {
    const id = `n${++this.asked}`;
    const text = JSON.stringify({ ...frame, id });
    console.log("node shopper →", text.replace(this.token, "…"));
    this.socket.send(text);
    const answer = await this.until((f) => f.re === id && f.type !== "entry");
    if (answer.type === "error") throw new Error(JSON.stringify(answer));
    return answer;
  }

  send(conversation, text) {
    return this.ask({ type: "send", conversation, content: { kind: "text", text } });
  }

  agentAnswers() {
    return this.until((f) => f.type === "entry" && f.from.kind === "agent");
  }
}

const shopper = new Shopper((await post("/api/v1/visitors", { name: "Ms Li" })).token);
await shopper.connect();
const { conversation } = await shopper.ask({ type: "open", subject: "refund", intent: "refund" });
await shopper.send(conversation, "Where is my refund?");
await shopper.agentAnswers();
await shopper.send(conversation, "Order 20251111-8");
// The train enters the tunnel: no goodbye.
shopper.socket.terminate();
await shopper.connect();
await shopper.agentAnswers();
await shopper.ask({ type: "close", conversation });
await shopper.ask({ type: "rate", conversation, score: 4 });
shopper.socket.close();
