import { expect, it } from "vitest";
import { Balancer } from "../../../../src/engine/traefik/balancer.ts";
import { cookieName } from "../../../../src/engine/traefik/cookie-name.ts";
import type { LoadBalancer, StickyCookie } from "../../../../src/engine/traefik/types.ts";

const cookie: StickyCookie = {
  name: "keep",
  secure: false,
  httpOnly: false,
  sameSite: "",
  maxAge: 0,
  path: "/",
  domain: "",
};

function balancer(fenced: readonly boolean[], sticky?: Partial<StickyCookie>): Balancer {
  const servers = fenced.map((isFenced, index) => ({ scheme: "http", address: `10.0.0.${index}`, port: 80, isFenced }));
  const service: LoadBalancer = {
    servers,
    passHostHeader: true,
    ...(sticky === undefined ? {} : { sticky: { ...cookie, ...sticky } }),
  };
  return new Balancer(service, () => 0);
}

const chosen = (of: Balancer, header?: string): string | undefined => of.choose(header)?.server.address;

it("servers take turns", () => {
  const of = balancer([false, false, false]);
  const turns = Array.from({ length: 6 }, () => chosen(of));
  expect(turns).toEqual(["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.0", "10.0.0.1", "10.0.0.2"]);
});

it("one that ends has no turn, and where all end nobody is available", () => {
  const of = balancer([true, false]);
  expect([chosen(of), chosen(of)]).toEqual(["10.0.0.1", "10.0.0.1"]);
  expect(chosen(balancer([true, true]))).toBeUndefined();
  expect(chosen(balancer([]))).toBeUndefined();
});

it("a cookie keeps its client at a server, even at one that ends", () => {
  const of = balancer([false, false], {});
  const { server, setCookie = "" } = of.choose(undefined) ?? {};
  expect(setCookie).toMatch(/^keep=[0-9a-f]{16}; Path=\/$/);
  const header = `a=b; ${setCookie.split(";")[0]}`;
  expect([of.choose(header), chosen(of, header)]).toEqual([{ server }, server?.address]);
  expect(chosen(balancer([true, false], {}), header)).toBe("10.0.0.0");
});

it("a cookie of nobody gets a new one", () => {
  expect(balancer([false], {}).choose("keep=0123456789abcdef")?.setCookie).toBeDefined();
});

it("the cookie's attributes, as Go writes them", () => {
  const full = { secure: true, httpOnly: true, sameSite: "strict", maxAge: 60, domain: "shop.example" };
  expect(balancer([false], full).choose("")?.setCookie).toMatch(
    /^keep=\w+; Path=\/; Domain=shop.example; Max-Age=60; HttpOnly; Secure; SameSite=Strict$/,
  );
});

it("a cookie's name: cleaned, or made of the service's", () => {
  expect(cookieName("my cookie;", "s")).toBe("my_cookie_");
  expect(cookieName("", "default-web-80@kubernetes")).toMatch(/^_[0-9a-f]{5}$/);
});
