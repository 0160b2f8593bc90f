import { PassThrough } from 'node:stream';
import { ConnectionLimit } from '../../src/edge/connectionLimit.js';
import { FakeSignals } from '../helpers/fakes.js';

const names = (signals: FakeSignals) => signals.emitted.map(({ name }) => name);

describe('a limit of connections', () => {
  it('serves so many, tells a few more that they are too many, and drops the rest', () => {
    const signals = new FakeSignals();
    const limit = new ConnectionLimit(() => 10, signals);
    const sockets = Array.from({ length: 20 }, () => new PassThrough());
    const admitted = sockets.map((socket, open) => limit.admits(socket, open));
    expect(admitted.filter((yes) => yes)).toHaveLength(18);
    expect(sockets.map((socket) => limit.isSurplus(socket)).indexOf(true)).toBe(10);
    expect(signals.named('server.full')).toEqual([{ maxConnections: 10 }]);
  });

  it('takes whoever was one too many for a caller like any other once there is room, and says so', () => {
    const signals = new FakeSignals();
    const limit = new ConnectionLimit(() => 10, signals);
    const [late, first, other] = [new PassThrough(), new PassThrough(), new PassThrough()];
    limit.admits(late, 10);
    limit.closed(first, 10);
    expect(limit.isSurplus(late)).toBe(false);
    expect(names(signals)).toEqual(['server.full']);
    limit.closed(other, 9);
    expect(names(signals)).toEqual(['server.full', 'server.room']);
  });

  it('goes by what it is at the moment', () => {
    let most = 1;
    const limit = new ConnectionLimit(() => most, new FakeSignals());
    const socket = new PassThrough();
    expect([limit.admits(socket, 1), limit.isSurplus(socket)]).toEqual([true, true]);
    most = 5;
    const next = new PassThrough();
    expect([limit.admits(next, 2), limit.isSurplus(next)]).toEqual([true, false]);
  });
});
