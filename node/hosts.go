package node

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
)

// askedByName leaves what is asked in clear by a name that may be somebody else's
// unanswered. A page of any domain whose name is made to mean this node's address later
// (DNS rebinding) is of the node's origin to a browser, which then lets it read and write
// here as whoever sits before it. Nobody else has names without a dot, or addresses.
// Over TLS the certificate is asked for the name; probes have nothing to tell.
func (n *Node) askedByName(next http.Handler) http.Handler {
	ours := n.cfg.hostNames()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || ofNobodyElse(r.Host, ours) {
			next.ServeHTTP(w, r)
			return
		}
		http.Error(w, "this node doesn't know the name by which it was asked: ask by an IP address, a name without a dot or the machine's own, over TLS, or start the node with --advertise http=NAME", http.StatusMisdirectedRequest)
	})
}

// hostNames are the names that this node is told to have, in lower case.
func (c *Config) hostNames() map[string]bool {
	names := map[string]bool{}
	if name, err := os.Hostname(); err == nil {
		names[strings.ToLower(name)] = true
	}
	for _, a := range append([]string{c.HTTPAddr}, c.Advertise...) {
		if _, host, ok := strings.Cut(a, "="); ok {
			a = host
		}
		names[strings.ToLower(hostOf(a))] = true
	}
	return names
}

// ofNobodyElse tells whether a Host header (RFC 9110, section 7.2) has an address, a name
// that no domain's owner can give to an address (of one label, or of RFC 6761's localhost),
// or one of ours; none at all is of no browser.
func ofNobodyElse(host string, ours map[string]bool) bool {
	name := strings.ToLower(strings.TrimSuffix(hostOf(host), "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return !strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost") || ours[name]
}

// hostOf is HOST of HOST:PORT, HOST or [HOST].
func hostOf(a string) string {
	if host, _, err := net.SplitHostPort(a); err == nil {
		return host
	}
	return strings.Trim(a, "[]")
}
