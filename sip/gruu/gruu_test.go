package gruu

import (
	"testing"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

func TestGRUU_IsReadAsItWasWritten(t *testing.T) {
	const uuid = `;q=0.5;+sip.instance="<urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6>";reg-id=1`
	for _, c := range []struct {
		number dn.Number
		params string
		want   string
	}{
		{"1002", uuid, `;pub-gruu="sip:1002@r;gr=urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"`},
		{"#7", `;+SIP.INSTANCE="<x y;z>"`, `;pub-gruu="sip:%237@r;gr=x%20y%3Bz"`},
		{"1002", ";q=1", ""},
		{"1002", `;+sip.instance="<a\"b>"`, ""},
		{"1002", `;x=";+sip.instance=\"<a>\""`, ""},
	} {
		b := &location.Binding{Params: c.params}
		got := string(AppendParam(nil, c.number, "r", b))
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.params, got, c.want)
		}
		if c.want == "" {
			continue
		}
		uri := []byte(c.want[len(`;pub-gruu="`) : len(c.want)-1])
		one := Of(uri, c.number)
		if one == nil || !Names(one, b) || Names(one, &location.Binding{Params: `;+sip.instance="<other>"`}) || Names(one, &location.Binding{}) {
			t.Errorf("%s names %s", uri, one)
		}
		if Of(uri, "1003") != nil {
			t.Errorf("%s is of 1003", uri)
		}
	}
	for _, uri := range []string{"sip:1002@r", "sip:1002@r;grid=1", "sip:1002@r;gr", "sip:1002@r;x=;gr=", "tel:1002;gr=x", "sip:1002@r;gr=x\x00"} {
		if one := Of([]byte(uri), "1002"); one != nil {
			t.Errorf("%q: %s", uri, one)
		}
	}
}
