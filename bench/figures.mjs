/** The middle value, or the mean of the two. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** One scenario's figures by contender, from its samples by contender. */
export function figuresOf({ kind, added }, samples) {
  const figures = {};
  const direct = samples.get('direct');
  for (const [name, runs] of samples) {
    const own = kind === 'stream' ? streamFigures(runs) : requestFigures(runs);
    const cost = name === 'direct' ? {} : costs(kind, runs);
    const extra = added && direct && name !== 'direct' ? addedFigures(kind, runs, direct) : {};
    figures[name] = { ...own, ...extra, ...cost };
  }
  return figures;
}

/** What one round says of a figure; undefined for one that rounds don't have. */
const OF_A_ROUND = {
  cpuUsPerRequest: ({ cpuUs, requests }) => cpuUs / requests,
  cpuUsPerEvent: ({ cpuUs, requests }) => cpuUs / requests,
  addedP50Us: ({ p50Us }, direct) => p50Us - direct.p50Us,
  addedP99Us: ({ p99Us }, direct) => p99Us - direct.p99Us,
  addedEventP50Us: ({ p50Us }, direct) => p50Us - direct.p50Us,
};

/**
 * A figure of one contender over that of another, round by round, and the median of that: a machine whose speed changes
 * from minute to minute was the same for both sides of a round. Undefined where rounds don't have it.
 */
export function pairedRatio(samples, figure, of, over) {
  const read = OF_A_ROUND[figure];
  const [ours, theirs, direct = []] = [samples?.get(of), samples?.get(over), samples?.get('direct')];
  if (!read || !ours || !theirs) return undefined;
  const pairs = ours.map((run, round) => [read(run, direct[round]), read(theirs[round], direct[round])]);
  const sound = pairs.filter(([value, by]) => value > 0 && by > 0);
  return sound.length > pairs.length / 2 ? median(sound.map(([value, by]) => value / by)) : undefined;
}

/**
 * The same of each side's best quarter of rounds, for processor time: what else the machine does, in the other half of the
 * same core too, only ever adds to it. Undefined for other figures.
 */
export function quietRatio(samples, figure, of, over) {
  const [ours, theirs] = [samples?.get(of), samples?.get(over)];
  if (!figure.startsWith('cpu') || !ours || !theirs) return undefined;
  return quarter(ours.map(OF_A_ROUND[figure])) / quarter(theirs.map(OF_A_ROUND[figure]));
}

/** The value that a quarter of them are below. */
function quarter(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 2];
}

function requestFigures(runs) {
  const lateness = runs[0].latenessP50Us === undefined ? {} : openFigures(runs);
  return { rps: of(runs, 'rps'), p50Us: of(runs, 'p50Us'), p99Us: of(runs, 'p99Us'), ...lateness };
}

/** How well the load kept its rate, and what a contender owed at the end of it. */
function openFigures(runs) {
  return {
    unanswered: runs.reduce((sum, { unanswered }) => sum + unanswered, 0),
    latenessP50Us: of(runs, 'latenessP50Us'),
    latenessP99Us: of(runs, 'latenessP99Us'),
  };
}

function streamFigures(runs) {
  return {
    eventsPerSecond: of(runs, 'rps'),
    eventP50Us: of(runs, 'p50Us'),
    eventP99Us: of(runs, 'p99Us'),
    firstEventP50Us: of(runs, 'firstEventP50Us'),
  };
}

function addedFigures(kind, runs, direct) {
  const over = (key) => of(runs, key) - of(direct, key);
  if (kind !== 'stream') return { addedP50Us: over('p50Us'), addedP99Us: over('p99Us') };
  return {
    addedEventP50Us: over('p50Us'),
    addedEventP99Us: over('p99Us'),
    addedFirstEventP50Us: over('firstEventP50Us'),
  };
}

function costs(kind, runs) {
  return {
    [kind === 'stream' ? 'cpuUsPerEvent' : 'cpuUsPerRequest']: median(
      runs.map(({ cpuUs, requests }) => cpuUs / requests),
    ),
    rssMiB: of(runs, 'rssMiB'),
  };
}

function of(runs, key) {
  return median(runs.map((run) => run[key]));
}
