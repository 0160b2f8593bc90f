/**
 * The floor for a Node process: the least that may call itself an HTTP proxy, on node:http and undici's dispatch.
 * It routes nothing, checks nothing and knows no error but 502.
 * Usage: node bareUndici.mjs <port> <upstream port>
 */
import http from 'node:http';
import { Agent } from 'undici';

/** RFC 9110 section 7.6.1; `host` is the upstream's. */
const HOP_BY_HOP = /^(?:host|connection|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/i;

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const origin = `http://127.0.0.1:${upstreamPort}`;
const agent = new Agent();

http.createServer(collect).listen(port, '127.0.0.1');

function collect(request, response) {
  const body = [];
  request.on('data', (bytes) => body.push(bytes));
  request.on('end', () => forward(request, response, body.length > 0 ? Buffer.concat(body) : null));
}

function forward({ method, url: path, rawHeaders }, response, body) {
  const headers = endToEnd(rawHeaders);
  agent.dispatch({ origin, path, method, headers, body, bodyTimeout: 0 }, new Passage(response));
}

/** undici's callbacks as it calls them itself: the newer set costs one more object and parsed headers. */
class Passage {
  constructor(response) {
    this.response = response;
  }

  onConnect(abort) {
    this.response.on('close', () => {
      if (!this.response.writableFinished) abort();
    });
  }

  onHeaders(status, rawHeaders, resume) {
    this.response.writeHead(status, endToEnd(rawHeaders));
    this.response.on('drain', resume);
    return true;
  }

  onData(bytes) {
    return this.response.write(bytes);
  }

  onComplete() {
    this.response.end();
  }

  onError() {
    if (this.response.headersSent) this.response.destroy();
    else this.response.writeHead(502).end();
  }
}

/** Names and values in turn, as they came. */
function endToEnd(raw) {
  const kept = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at].toString('latin1');
    if (!HOP_BY_HOP.test(name)) kept.push(name, raw[at + 1].toString('latin1'));
  }
  return kept;
}
