import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatIp } from "../../../../src/core/ip.ts";
import { addressOfReverse, locallyServedZone } from "../../../../src/engine/dns/reverse.ts";

describe("the address of a reverse name", () => {
  it("is the inverse of writing one", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(addressOfReverse([...address.split(".").toReversed(), "in-addr", "arpa"])).toBe(address);
      }),
    );
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) => {
        const nibbles = [...value.toString(16).padStart(32, "0")].toReversed();
        expect(addressOfReverse([...nibbles, "ip6", "arpa"])).toBe(formatIp({ family: 6, value }));
      }),
    );
  });

  it.each([
    "1.0.10.in-addr.arpa",
    "0.1.0.0.10.in-addr.arpa",
    "256.0.0.10.in-addr.arpa",
    "01.0.0.10.in-addr.arpa",
    "x.0.0.10.in-addr.arpa",
    "1.0.0.10.ip6.arpa",
  ])("is nothing for %s", (name) => expect(addressOfReverse(name.split("."))).toBeUndefined());
});

describe("zones that every resolver serves empty", () => {
  it.each([
    ["1.0.0.10.in-addr.arpa", "10.in-addr.arpa"],
    ["9.9.31.172.in-addr.arpa", "31.172.in-addr.arpa"],
    ["1.168.192.in-addr.arpa", "168.192.in-addr.arpa"],
    ["1.0.64.100.in-addr.arpa", "64.100.in-addr.arpa"],
    ["0.0.d.f.ip6.arpa", "d.f.ip6.arpa"],
  ])("%s is in %s", (name, zone) => expect(locallyServedZone(name.split("."))?.join(".")).toBe(zone));

  it.each(["8.8.8.8.in-addr.arpa", "1.0.32.172.in-addr.arpa", "110.in-addr.arpa", "in-addr.arpa", "0.0.0.2.ip6.arpa"])(
    "%s is in none",
    (name) => expect(locallyServedZone(name.split("."))).toBeUndefined(),
  );
});
