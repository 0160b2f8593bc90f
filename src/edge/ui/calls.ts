/** The stream of calls, as it comes in and as it is shown. */
export const CALLS = String.raw`
  // Calls, the newest first. While the list is held, they wait where nobody sees them.
  let paused = false;
  let missed = 0;
  const held = [];
  const statusOf = ({ status, outcome, code }) => {
    const broke = outcome === 'upstream-broke';
    const look = status >= 500 || broke ? 'bad' : status >= 400 ? 'warn' : 'good';
    const why = code || (broke ? 'broke' : '');
    return pill(look, status, why === '' ? '' : make('span', 'extra', ' ' + why));
  };
  const showCalls = (calls) => {
    const section = byId('calls');
    const body = section.querySelector('tbody');
    const rows = calls.map((call) => rowOf(section, [
      time(call.at), whose(call, ''), call.destination, call.method, call.tool, statusOf(call), call.ms.toFixed(1) + ' ms',
    ]));
    body.prepend(...rows.reverse());
    while (body.rows.length > MOST_CALLS) body.lastElementChild.remove();
    const left = (held.length > 0 ? held.length + ' held. ' : '') + (missed > 0 ? missed + ' were too fast to show.' : '');
    section.querySelector('.head span').textContent = left;
  };
  const takeCall = (call) => {
    const failed = call.status >= 500 || call.outcome === 'upstream-broke';
    if (call.destination !== undefined) {
      if (failed || lastFailed.get(call.destination)) refreshSoon();
      lastFailed.set(call.destination, failed);
      if (lastFailed.size > 1000) lastFailed.delete(lastFailed.keys().next().value);
    }
    if (held.push(call) > MOST_CALLS) held.shift();
  };
  const takeEvent = (text) => {
    const field = (name) => (text.split('\n').find((line) => line.startsWith(name + ': ')) || '').slice(name.length + 2);
    const data = field('data');
    if (field('event') === 'call') takeCall(JSON.parse(data));
    if (field('event') === 'missed') missed += JSON.parse(data).count;
  };

  /** Until the stream ends. */
  const follow = async (signal) => {
    const response = await ask('GET', 'calls', signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    byId('calls').querySelector('tbody').replaceChildren();
    say(inTrouble === '' ? 'Live' : 'Down: ' + inTrouble);
    let rest = '';
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      const events = (rest + step.value).split('\n\n');
      rest = events.pop();
      events.forEach(takeEvent);
      showCalls(paused ? [] : held.splice(0));
    }
  };
  /** A reload of the configuration may take a right away. */
  const lose = () => {
    allowed = new Set();
    byId('calls').hidden = true;
    refresh();
  };
  const watch = async (signal) => {
    for (let pause = AGAIN_MS; !signal.aborted; ) {
      try {
        await learn();
        await refresh();
        byId('calls').hidden = !allowed.has('admin/calls/read');
        if (byId('calls').hidden) return say('You may not see calls.');
        await follow(signal);
        pause = AGAIN_MS;
      } catch (error) {
        if (signal.aborted) return;
        if (error.status === 403) lose();
        if (error.status === 401 || error.status === 403) return stop(error);
        say('Not live: ' + error.message);
        pause = Math.min(2 * pause, LATEST_AGAIN_MS);
      }
      await wait(pause, signal);
    }
  };
`;
