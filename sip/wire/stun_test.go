package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// stunRequest is a message of STUN of that kind with attributes.
func stunRequest(kind uint16, attributes ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attributes)))
	b = binary.BigEndian.AppendUint32(b, stunCookie)
	return append(append(b, "transaction!"...), attributes...)
}

// stunAnswer is what is answered; nil for what is not STUN's.
func stunAnswer(b []byte, source string) []byte {
	if !isSTUN(b) {
		return nil
	}
	return appendSTUN(nil, b, netip.MustParseAddrPort(source))
}

// TestSTUN_SaysWhereARequestComesFrom: the addresses of RFC 5769 §2.2 and §2.3, masked as it
// says.
func TestSTUN_SaysWhereARequestComesFrom(t *testing.T) {
	id, _ := hex.DecodeString("b7e7a701bc34d686fa87dfae")
	request := append(append(stunRequest(bindingRequest)[:8:8], id...), 0x80, 0x22, 0, 4, 't', 'e', 's', 't') // SOFTWARE
	request[3] = 8
	for source, want := range map[string]string{
		"192.0.2.1:32853":                              "010100 0c 2112a442 b7e7a701bc34d686fa87dfae 0020 0008 0001 a147 e112a643",
		"[::ffff:192.0.2.1]:32853":                     "010100 0c 2112a442 b7e7a701bc34d686fa87dfae 0020 0008 0001 a147 e112a643",
		"[2001:db8:1234:5678:11:2233:4455:6677]:32853": "010100 18 2112a442 b7e7a701bc34d686fa87dfae 0020 0014 0002 a147 0113a9faa5d3f179bc25f4b5bed2b9d9",
	} {
		if got := hex.EncodeToString(stunAnswer(request, source)); got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}

// TestSTUN_AnswersNothingElse than well-formed Binding requests, and says which attribute it
// does not know.
func TestSTUN_AnswersNothingElse(t *testing.T) {
	wrong := func(change func([]byte)) []byte {
		b := stunRequest(bindingRequest)
		change(b)
		return b
	}
	for name, b := range map[string][]byte{
		"short":                    stunRequest(bindingRequest)[:19],
		"no cookie":                wrong(func(b []byte) { b[4]++ }),
		"an indication":            stunRequest(0x0011),
		"an answer":                stunRequest(bindingSuccess),
		"an error":                 stunRequest(bindingError),
		"another method":           stunRequest(0x0003),
		"longer than it says":      append(stunRequest(bindingRequest), 0),
		"shorter than it says":     wrong(func(b []byte) { b[3] = 4 }),
		"half an attribute":        stunRequest(bindingRequest, 0x80, 0x22),
		"an attribute cut off":     stunRequest(bindingRequest, 0x80, 0x22, 0, 5, 1, 2, 3, 4),
		"an attribute of no end":   stunRequest(bindingRequest, 0x80, 0x22, 0xff, 0xff),
		"more than anybody sends":  stunRequest(bindingRequest, append([]byte{0x80, 0x22, 4, 0}, make([]byte, 1024)...)...),
		"SIP":                      []byte("OPTIONS sip:h SIP/2.0\r\n\r\n"),
		"the two highest bits set": wrong(func(b []byte) { b[0] |= 0x40 }),
	} {
		if got := stunAnswer(b, "192.0.2.1:1"); got != nil {
			t.Errorf("%s is answered %x", name, got)
		}
	}
	got := stunAnswer(stunRequest(bindingRequest, 0x80, 0x22, 0, 0, 0, 3, 0, 1, 9, 0, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0, 0x24, 0, 0), "192.0.2.1:1")
	want := append(stunRequest(bindingError), 0, 9, 0, 4, 0, 0, 4, 20, 0, 10, 0, 6, 0, 3, 0, 7, 0, 0x24, 0, 0)
	if want[3] = 20; !bytes.Equal(got, want) {
		t.Errorf("attributes 3, 6, 7 and 0x24 are answered %x, want %x", got, want)
	}
}

// TestSTUN_AsksForNoPassword: a keep-alive with credentials, which nobody looks at here, is
// answered as one without; what follows its MESSAGE-INTEGRITY counts for nothing.
func TestSTUN_AsksForNoPassword(t *testing.T) {
	digest := string(make([]byte, 20))
	for name, attributes := range map[string]string{
		"a user":                    "\x00\x06\x00\x05alice\x00\x00\x00",
		"short-term":                "\x00\x06\x00\x04a:bc\x00\x08\x00\x14" + digest + "\x80\x28\x00\x04\x01\x02\x03\x04",
		"long-term":                 "\x00\x06\x00\x04user\x00\x14\x00\x01r\x00\x00\x00\x00\x15\x00\x02no\x00\x00\x00\x08\x00\x14" + digest,
		"RFC 8489":                  "\x00\x1e\x00\x20" + string(make([]byte, 32)) + "\x00\x1d\x00\x04\x00\x02\x00\x00\x00\x1c\x00\x20" + string(make([]byte, 32)),
		"unknown behind the digest": "\x00\x08\x00\x14" + digest + "\x00\x03\x00\x04\x00\x00\x00\x06",
	} {
		got := stunAnswer(stunRequest(bindingRequest, []byte(attributes)...), "192.0.2.1:32853")
		if want := stunAnswer(stunRequest(bindingRequest), "192.0.2.1:32853"); want == nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", name, got, want)
		}
	}
}

func FuzzSTUN(f *testing.F) {
	f.Add(stunRequest(bindingRequest))
	f.Add(stunRequest(bindingRequest, 0x80, 0x22, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0))
	f.Add(stunRequest(bindingRequest, 0, 6, 0, 1, 1, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		got := stunAnswer(b, "[2001:db8::1]:5060")
		if len(got) > len(b)+24 || !bytes.Equal(b, before) {
			t.Errorf("%d octets are answered with %d", len(b), len(got))
		}
		if len(got) > 0 && (int(binary.BigEndian.Uint16(got[2:])) != len(got)-stunHeader || !bytes.Equal(got[4:20], b[4:20])) {
			t.Errorf("%x is answered %x", b, got)
		}
	})
}
