package membership

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"
)

// The figures that the cost of an idle node and gossip's own verdict within some seconds
// rest on, and what others are told of this node.
func TestSettings(t *testing.T) {
	bind := freeAddr(t)
	g := &Gossip{cfg: Config{
		ID: "a", Bind: bind, Advertise: "192.0.2.7:7103", Cluster: "c1", Keys: [][]byte{bytes.Repeat([]byte{1}, 32)},
		Incarnation: 0x0102030405060708, ClusterAddr: "192.0.2.7:7102", Log: slog.New(slog.DiscardHandler),
	}}
	mc, err := g.settings()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mc.Transport.Shutdown() }()
	for what, c := range map[string][2]any{
		"a probe every":                   {mc.ProbeInterval, 500 * time.Millisecond},
		"a probe waits":                   {mc.ProbeTimeout, 50 * time.Millisecond},
		"suspicion lasts times":           {mc.SuspicionMult, 4},
		"suspicion grows times":           {mc.SuspicionMaxTimeoutMult, 1},
		"a slow node's time grows times":  {mc.AwarenessMaxMultiplier, 1},
		"gossip every":                    {mc.GossipInterval, 200 * time.Millisecond},
		"who leaves says so within":       {leaveWithin, 450 * time.Millisecond},
		"everything is exchanged every":   {mc.PushPullInterval, 30 * time.Second},
		"a stream waits":                  {mc.TCPTimeout, time.Second},
		"others that are asked":           {mc.IndirectChecks, 3},
		"a dead node's name is free in":   {mc.DeadNodeReclaimTime, 100 * time.Millisecond},
		"compression":                     {mc.EnableCompression, false},
		"name":                            {mc.Name, "a"},
		"label":                           {mc.Label, "c1"},
		"key":                             {string(mc.Keyring.GetPrimaryKey()), string(g.cfg.Keys[0])},
		"advertised address":              {mc.AdvertiseAddr, "192.0.2.7"},
		"advertised port":                 {mc.AdvertisePort, 7103},
		"log":                             {fmt.Sprintf("%T", mc.LogOutput), "*membership.logWriter"},
		"told of itself":                  {string(mc.Delegate.NodeMeta(512)), "\x01\x02\x03\x04\x05\x06\x07\x08192.0.2.7:7102"},
		"told of itself where space ends": {string(mc.Delegate.NodeMeta(10)), "\x01\x02\x03\x04\x05\x06\x07\x0819"},
		"looks for absent peers every":    {rejoinEvery, time.Second},
		"a stall is":                      {stallLength, time.Second},
		"no verdict after a stall for":    {stallDoubt, time.Second},
		"a doubted node is asked":         {asks, 6},
		"members":                         {maxMembers, 1024},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %v, want %v", what, c[0], c[1])
		}
	}
	if incarnation, addr := parseMeta(mc.Delegate.NodeMeta(512)); incarnation != g.cfg.Incarnation || addr != g.cfg.ClusterAddr {
		t.Errorf("others read %d %q", incarnation, addr)
	}
}

func TestSettings_AddressesThatAreNone(t *testing.T) {
	for _, c := range []Config{{Bind: "host:1"}, {Bind: freeAddr(t), Advertise: "host:1"}} {
		if _, err := (&Gossip{cfg: c}).settings(); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// After a stall this process does not believe its own verdicts: nobody is
// dead, it is looked for again, and the doubt is counted.
func TestGossip_VerdictsAfterAStallAreNoEvidence(t *testing.T) {
	a, b := start(t, "a", 1, nil), start(t, "b", 1, nil)
	meet(a, b)
	await(t, "they meet", func() bool { return a.sees("b").Alive })
	a.sawStall(time.Now().Add(time.Hour), time.Second) // as if it went on
	b.stop()
	await(t, "the verdict is doubted", func() bool { return a.Doubted() > 0 })
	if alive, known := a.Alive("b"); !alive || !known {
		t.Errorf("alive %v, known %v", alive, known)
	}
	if absent := a.absent(); len(absent) != 1 || absent[0] != "b" {
		t.Errorf("looked for: %v", absent)
	}
}
