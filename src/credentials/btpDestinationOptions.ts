import * as z from 'zod';

/** What a BTP destination's credential and its shorthand have in common. */
export const btpDestinationFields = {
  /** The key of the Destination service's instance; a relative name starts from the folder of the configuration. */
  file: z.string().min(1),
  /** Its name in the Destination service. */
  destination: z.string().regex(/^[\w.-]{1,200}$/, 'must be the name of a destination: letters, digits, dots, - and _'),
  /** Where it is looked for, and nowhere else; absent: in the instance, then in the subaccount. */
  level: z.enum(['instance', 'subaccount', 'provider_instance', 'provider_subaccount']).optional(),
  /** The subdomain of the subscriber whose destinations are meant; the key's own where absent. */
  subdomain: z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/, 'must be a subdomain: letters, digits and -')
    .optional(),
};

/** Which destination is meant. */
export interface WhichDestination {
  readonly destination: string;
  readonly level?: string | undefined;
  readonly subdomain?: string | undefined;
}
