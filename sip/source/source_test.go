package source

import "testing"

func TestSource_IsAnAddressOrANetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:0:1:2:3:4:5": "2001:db8:0:1::/64", "fe80::1%eth0": "fe80::/64",
		"2001:db8::/64": "2001:db8::/64", "192.0.2.1/32": "192.0.2.1", "192.0.2.0/24": "", "2001:db8::/48": "", "": "", "x": "",
	} {
		a, ok := Parse(in)
		if got := Text(a); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
		if again, _ := Parse(Text(a)); ok && again != a {
			t.Errorf("%q: written and read it is %v", in, again)
		}
	}
}
