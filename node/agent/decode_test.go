package agent

import (
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
	"github.com/sipcluster/sipcluster/node/tcontroller"
)

// A reservation goes on from when it was written; a clock that went back
// makes none longer.
func TestDecode_WhatIsLeftOfAReservation(t *testing.T) {
	written := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct{ left, later, want time.Duration }{
		"at once":               {4 * time.Minute, 0, 4 * time.Minute},
		"a minute later":        {4 * time.Minute, time.Minute, 3 * time.Minute},
		"at its end":            {4 * time.Minute, 4 * time.Minute, 0},
		"after it":              {4 * time.Minute, time.Hour, 0},
		"the clock went back":   {4 * time.Minute, -10 * time.Minute, 4 * time.Minute},
		"longer than there are": {2 * time.Hour, time.Minute, time.Hour},
	} {
		r := record("1000", 5, 1, "7")
		r.Reserved = dn.Reservation{Holder: "h", Left: int64(c.left)}
		got, ok := decodeAgent([]byte("1000"), encodeAgent(r, written), written.Add(c.later))
		if !ok || got.Reserved.Left != int64(c.want) || (got.Reserved.Holder == "h") != (c.want > 0) {
			t.Errorf("%s: %v %+v, want %v", name, ok, got.Reserved, c.want)
		}
		if got.Agent == nil || got.Agent.ID != "7" || got.ClaimTime != 5 || got.Seq != 1 || got.State != dn.OOS {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestDecode_WhatWasNotWrittenHere(t *testing.T) {
	sealed := func(change func(*peerpb.Record)) []byte {
		p := tcontroller.ToProto(record("1000", 5, 1, "7"))
		if change != nil {
			change(p)
		}
		b, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return append(binary.LittleEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli)), b...)
	}
	flipped := sealed(nil)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		key   string
		value []byte
		want  bool
	}{
		"as it was written":       {"1000", sealed(nil), true},
		"under another key":       {"1001", sealed(nil), false},
		"a number that is none":   {"1 000", sealed(func(p *peerpb.Record) { p.Dn = "1 000" }), false},
		"without a claim":         {"1000", sealed(func(p *peerpb.Record) { p.ClaimTime = 0 }), false},
		"an agent without limits": {"1000", sealed(func(p *peerpb.Record) { p.Agent.Id = strings.Repeat("7", 10_000) }), false},
		"a bit is wrong":          {"1000", flipped, false},
		"nothing":                 {"1000", nil, false},
		"three bytes":             {"1000", []byte{1, 2, 3}, false},
	} {
		if _, ok := decodeAgent([]byte(c.key), c.value, time.Now()); ok != c.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
}
