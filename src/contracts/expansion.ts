/** What a destination written in short stands for: an upstream's and a credential's entries, as the long form has them. */
export interface Expansion {
  readonly destination: Readonly<Record<string, unknown>> & { readonly kind: string };
  readonly credential?: Readonly<Record<string, unknown>> & { readonly kind: string };
  close?(): Promise<void>;
}
