import { defaultProvider, providers } from "../providers/registry.ts";
import type { Finding } from "../providers/types.ts";
import { providerNamed } from "./provision.ts";

/** What one provider found on this host. */
export interface Diagnosis {
  provider: string;
  summary: string;
  findings: Finding[];
  /** Whether what is missing is a fault of this host: for the provider asked for, or the default one. */
  isNeeded: boolean;
}

/** Asks every provider, or the one named, what this host lacks; throws PROVIDER_UNKNOWN. */
export async function diagnoseHost(name?: string): Promise<Diagnosis[]> {
  const asked = name === undefined ? Object.values(providers) : [providerNamed(name)];
  return Promise.all(
    asked.map(async (provider) => ({
      provider: provider.kind,
      summary: provider.summary,
      findings: await provider.preflight(undefined),
      isNeeded: name !== undefined || provider.kind === defaultProvider,
    })),
  );
}
