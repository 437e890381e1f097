import { createSecureContext } from "node:tls";
import { expect, it } from "vitest";
import { Certificates } from "../../../../src/engine/traefik/certificates.ts";
import { pairOf } from "./pairs.ts";

const own = createSecureContext(pairOf("TRAEFIK DEFAULT CERT"));
const shop = pairOf("shop.example");
const all = pairOf("*.shop.example");

/** Contexts say nothing of their certificates: they are told apart by who else gets the same. */
function same(of: Certificates, one: string, other: string): boolean {
  return of.contextFor(one) === of.contextFor(other);
}

it("a client gets the certificate of the name it asks for, and else Traefik's own", () => {
  const of = new Certificates([shop], own);
  expect(of.contextFor("shop.example")).not.toBe(own);
  expect(same(of, "shop.example", "SHOP.example")).toBe(true);
  expect(of.contextFor("pay.example")).toBe(own);
  expect(of.contextFor("a.shop.example")).toBe(own);
});

it("a wildcard is for one label, and a name of its own comes before it", () => {
  const of = new Certificates([all, pairOf("www.shop.example")], own);
  expect(same(of, "a.shop.example", "b.shop.example")).toBe(true);
  expect(same(of, "a.shop.example", "www.shop.example")).toBe(false);
  expect(of.contextFor("a.b.shop.example")).toBe(own);
  expect(of.contextFor("shop.example")).toBe(own);
});

it("one that cannot be used is told and left out", () => {
  const of = new Certificates(
    [
      { cert: shop.cert, key: all.key },
      { cert: "none", key: "none" },
    ],
    own,
  );
  expect(of.contextFor("shop.example")).toBe(own);
  expect(of.errors.map(({ error }) => error)).toEqual([
    "unable to generate TLS certificate: tls: private key does not match public key",
    "unable to generate TLS certificate: tls: failed to find any PEM data in certificate input",
  ]);
  expect(of.errors[0]?.message).toBe(`Unable to parse certificate ${shop.cert.split("\n")[1]?.slice(0, 50)}`);
});
