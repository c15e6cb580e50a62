package sip

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// TestServer_NobodyIsRefusedByAConfigurationThatMayBeBehind: what would be final for a
// phone is not said while it may be wrong: who registers over UDP asks again by himself,
// and anybody else is sent elsewhere. What is right is accepted, and who has not said who
// he is is asked.
func TestServer_NobodyIsRefusedByAConfigurationThatMayBeBehind(t *testing.T) {
	for network, later := range map[string]int{"udp": 0, "tcp": 503} {
		t.Run(network, func(t *testing.T) {
			var behind atomic.Bool
			w := callWorld(t, func(c *Config) { c.Behind = behind.Load }, "1001", "1002", "1003")
			off := phoneDN("1003")
			off.Disabled = true
			w.put(off)
			g := w.guesserAt(network, "127.0.0.1")
			ask := func(method, number, password string) int {
				t.Helper()
				challenge := g.challenge(method, number)
				request := g.request(method, number, authorizeFor(method, challenge, number, password, 1))
				if g.send(request); network == "udp" {
					g.send(g.request("REGISTER", "1002", "")) // what comes behind it is answered
				}
				first := g.final()
				if first.get("CSeq") == fmt.Sprint(g.n, " REGISTER") && network == "udp" {
					return 0
				}
				if network == "udp" {
					g.final()
				}
				return first.code
			}
			for what, c := range map[string]struct {
				method, number, password string
				then, now                int // while it may be behind, and when it is not
			}{
				"another password":       {"REGISTER", "1001", "another", later, 401},
				"a DN that is not there": {"REGISTER", "1009", "pw1009", later, 401},
				"a DN that is disabled":  {"REGISTER", "1003", "pw1003", later, 403},
				"the password":           {"REGISTER", "1001", "pw1001", 200, 200},
				"no phone that is there": {"MESSAGE", "1009", "pw1009", 503, 407},
			} {
				for is, want := range map[bool]int{true: c.then, false: c.now} {
					behind.Store(is)
					if got := ask(c.method, c.number, c.password); got != want {
						t.Errorf("%s, perhaps behind %v: %d, want %d", what, is, got, want)
					}
				}
			}
		})
	}
}
