import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  cidrContains,
  cidrContainsCidr,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  formatIp,
  formatIpv4,
  hasHostBits,
  nthAddress,
  parseCidr,
  parseIp,
  parseIpv4,
  type Cidr,
} from "../../../src/core/ip.ts";

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no CIDR`);
  return parsed;
};

describe("addresses", () => {
  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "1.2.3.4 ",
    "0x7f.0.0.1",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "12345::",
    "::1%eth0",
    "fe80::g",
    "1:2:3:4:5:6:7:8::",
  ])("%j is none", (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  // RFC 5952 section 4 and 5.
  test.each([
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:DB8::A", "2001:db8::a"],
    ["::", "::"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
  ])("%s is written %s", (text, canonical) => {
    expect(formatIp(parseIp(text) as NonNullable<ReturnType<typeof parseIp>>)).toBe(canonical);
  });

  test("every IPv4 number reads back from its text", () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (value) => {
        expect(parseIpv4(formatIpv4(value))).toBe(value);
      }),
    );
  });

  test("every IPv6 number reads back from its text", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << 128n) - 1n), (value) => {
        expect(parseIp(formatIp({ family: 6, value }))?.value).toBe(value);
      }),
    );
  });
});

describe("CIDRs", () => {
  test.each(["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1", "::/129", "/8", "10.0.0.0/8/8"])(
    "%j is none",
    (text) => {
      expect(parseCidr(text)).toBeUndefined();
    },
  );

  test("bits below the prefix are dropped and told", () => {
    expect(formatCidr(cidr("10.1.2.3/8"))).toBe("10.0.0.0/8");
    expect([
      hasHostBits("10.1.2.3/8"),
      hasHostBits("10.0.0.0/8"),
      hasHostBits("0.0.0.0/0"),
      hasHostBits("nonsense"),
    ]).toEqual([true, false, false, false]);
  });

  test("containment and overlap", () => {
    expect(cidrContains(cidr("10.96.0.0/12"), parseIp("10.111.255.255") as never)).toBe(true);
    expect(cidrContains(cidr("10.96.0.0/12"), parseIp("10.112.0.0") as never)).toBe(false);
    expect(cidrContains(cidr("0.0.0.0/0"), parseIp("::1") as never)).toBe(false);
    expect(cidrContainsCidr(cidr("10.0.0.0/8"), cidr("10.0.0.0/8"))).toBe(true);
    expect(cidrContainsCidr(cidr("10.0.0.0/9"), cidr("10.0.0.0/8"))).toBe(false);
    expect(cidrsOverlap(cidr("10.0.0.0/8"), cidr("10.5.0.0/16"))).toBe(true);
    expect(cidrsOverlap(cidr("10.0.0.0/16"), cidr("10.1.0.0/16"))).toBe(false);
  });

  test("the nth address is in the network exactly as long as it has that many", () => {
    const network = fc
      .tuple(fc.nat(0xffffffff), fc.integer({ min: 0, max: 32 }))
      .map(([value, prefix]) => cidr(`${formatIpv4(value)}/${prefix}`));
    fc.assert(
      fc.property(network, fc.bigInt(0n, 1n << 33n), (subnet, offset) => {
        const address = nthAddress(subnet, offset);
        expect(address !== undefined).toBe(offset < cidrSize(subnet));
        expect(address === undefined || cidrContains(subnet, address)).toBe(true);
      }),
    );
  });

  test("two networks overlap exactly where one contains the other's first address", () => {
    const network = fc
      .tuple(fc.nat(0xffffffff), fc.integer({ min: 0, max: 32 }))
      .map(([value, prefix]) => cidr(`${formatIpv4(value)}/${prefix}`));
    fc.assert(
      fc.property(network, network, (a, b) => {
        expect(cidrsOverlap(a, b)).toBe(cidrContains(a, b) || cidrContains(b, a));
      }),
    );
  });
});
