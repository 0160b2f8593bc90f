import { type Drawbridge, type StartOptions, startDrawbridge } from '../helpers/drawbridge.js';
import { type Issuer, type IssuerSettings, startIssuer } from '../helpers/tokenIssuer.js';
import { json, startUpstream, type Upstream } from '../helpers/upstreamFixture.js';

/** A destination with everything behind it: its own upstream, and its own issuer of tokens. */
export interface Place {
  /** Where callers reach it. */
  readonly url: string;
  readonly upstream: Upstream;
  readonly issuer: Issuer;
}

export interface World<Name extends string> {
  readonly drawbridge: Drawbridge;
  readonly places: Readonly<Record<Name, Place>>;
  close(): Promise<void>;
}

/** What each destination's issuer is like, and options of the destination itself. */
export type Plan = IssuerSettings & { readonly options?: object };

/** One process with a destination, a credential, an upstream and an issuer for each name. Upstreams answer `{}` until told otherwise. */
export async function startWorld<Name extends string>(
  plans: Readonly<Record<Name, Plan>>,
  config: object = {},
  start: StartOptions = {},
): Promise<World<Name>> {
  const names = Object.keys(plans) as Name[];
  const parts = await Promise.all(names.map((name) => startPlace(name, plans[name])));
  const closeParts = () => Promise.all(parts.flatMap(({ upstream, issuer }) => [upstream.close(), issuer.close()]));
  const drawbridge = await startDrawbridge({ ...config, ...sections(parts) }, start).catch(async (error: unknown) => {
    await closeParts();
    throw error;
  });
  const places = parts.map(({ name, upstream, issuer }) => [
    name,
    { upstream, issuer, url: `${drawbridge.url}/mcp/${name}` },
  ]);
  return {
    drawbridge,
    places: Object.fromEntries(places) as Record<Name, Place>,
    close: async () => {
      await drawbridge.stop();
      await closeParts();
    },
  };
}

async function startPlace(name: string, { options, ...settings }: Plan) {
  const [upstream, issuer] = await Promise.all([startUpstream(json({})), startIssuer({ label: name, ...settings })]);
  return { name, upstream, issuer, options };
}

type Part = Awaited<ReturnType<typeof startPlace>>;

function sections(parts: readonly Part[]) {
  const destination = ({ name, upstream, options }: Part) => [
    name,
    { kind: 'http', url: upstream.url, credential: name, ...options },
  ];
  const credential = ({ name, upstream, issuer }: Part) => [name, issuer.credential(upstream.origin)];
  return {
    destinations: Object.fromEntries(parts.map(destination)),
    credentials: Object.fromEntries(parts.map(credential)),
  };
}
