import { expect, test } from "vitest";
import { closedCorefile } from "../../../../src/providers/kind/close-dns.ts";

const corefile = `.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
}
`;

test("names outside the cluster are answered, not forwarded", () => {
  expect(closedCorefile(corefile)).toBe(`cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
    }
    cache 30
}
.:53 {
    errors
    template ANY ANY . {
        rcode NXDOMAIN
    }
}
`);
});

test("a configuration that forwards elsewhere is not taken for kubeadm's", () => {
  expect(() => closedCorefile(corefile.replace("/etc/resolv.conf", "10.0.0.1"))).toThrow("not as expected");
});
