package call

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/api/tcpb"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.Local)

// hop is a message that went from one to another, who are nodes when their names begin with
// n, us microseconds after noon.
type hop struct {
	us       int
	from, to string
	method   string
	code     uint32
}

// views are what the nodes remember of hops that take 200 microseconds, each by its clock,
// which is so much ahead.
func views(hops []hop, ahead map[string]time.Duration, nodes ...string) []*tcpb.CallTrace {
	var list []*tcpb.CallTrace
	for _, n := range nodes {
		v := &tcpb.CallTrace{Node: n, Ahead: durationpb.New(ahead[n]), CallId: "id", ConnId: "conn"}
		for _, h := range hops {
			sent := h.from == n
			if !sent && h.to != n {
				continue
			}
			at, other := noon.Add(ahead[n]+time.Duration(h.us)*time.Microsecond), h.to
			if !sent {
				at, other = at.Add(200*time.Microsecond), h.from
			}
			m := &tcpb.SIPMessage{Time: timestamppb.New(at), Sent: sent, Method: h.method, Cseq: 1, Code: h.code, Reason: map[uint32]string{180: "Ringing", 200: "OK"}[h.code]}
			if h.code == 0 {
				m.Uri = "sip:1001@" + h.to
			}
			if strings.HasPrefix(other, "n") {
				m.Peer = other
			} else {
				m.Transport, m.Address = "udp", other
			}
			v.Messages = append(v.Messages, m)
		}
		list = append(list, v)
	}
	return list
}

var simple = []hop{
	{0, "gw", "n1", "INVITE", 0}, {1000, "n1", "n2", "INVITE", 0}, {2000, "n2", "phone", "INVITE", 0},
	{3000, "phone", "n2", "INVITE", 180}, {4000, "n2", "n1", "INVITE", 180}, {5000, "n1", "gw", "INVITE", 180},
}

func drawn(t *testing.T, list []*tcpb.CallTrace, width int) string {
	t.Helper()
	var b bytes.Buffer
	if err := newLadder(merge(list)).write(&b, width); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLadder(t *testing.T) {
	want := `             udp gw                 n1                  n2               udp phone
                                                                            1001
12:00:00.000    |-- INVITE -------->|                   |                   |
12:00:00.001    |                   |-- INVITE -------->|                   |
12:00:00.002    |                   |                   |-- INVITE -------->|
12:00:00.003    |                   |                   |<-- 180 Ringing ---|
12:00:00.004    |                   |<-- 180 Ringing ---|                   |
12:00:00.005    |<-- 180 Ringing ---|                   |                   |
`
	got := drawn(t, views(simple, nil, "n1", "n2"), 82)
	for i, line := range strings.Split(got, "\n")[2:] {
		if w := strings.Split(want, "\n")[i+2]; strings.ReplaceAll(line, " ", "") != strings.ReplaceAll(w, " ", "") {
			t.Errorf("%q, want %q", line, w)
		}
	}
	for line := range strings.Lines(got) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > 82 {
			t.Errorf("%d columns: %s", utf8.RuneCountInString(line), line)
		}
	}
}

// Whatever the clocks say, no message comes before it went, and nothing that a node did
// after another thing is shown before it.
func TestMerge_KeepsCausesBeforeEffects(t *testing.T) {
	for range 500 {
		ahead := map[string]time.Duration{"n1": 0}
		told := map[string]time.Duration{}
		for _, n := range []string{"n2", "n3"} {
			ahead[n] = time.Duration(rand.IntN(7200)-3600) * time.Second
			told[n] = ahead[n] + time.Duration(rand.IntN(200)-100)*time.Millisecond // as badly as it may be measured
		}
		var hops []hop
		at := []string{"gw", "n1", "n2", "n3", "phone"}
		for leg := range 4 {
			for i := range 4 {
				h := hop{us: leg*4000 + i*1000, from: at[i], to: at[i+1], method: "INFO"}
				if leg%2 == 1 {
					h.from, h.to, h.code = at[4-i], at[3-i], 200
				}
				hops = append(hops, h)
			}
		}
		list := views(hops, ahead, "n1", "n2", "n3")
		for _, v := range list {
			v.Ahead = durationpb.New(told[v.GetNode()])
		}
		all := merge(list)
		last, gone := map[string]time.Time{}, map[*traced]bool{}
		for _, m := range all {
			if m.GetTime().AsTime().Before(last[m.node]) {
				t.Fatalf("%s of %s is shown after what followed it", m.label(), m.node)
			}
			last[m.node] = m.GetTime().AsTime()
			if !m.GetSent() && m.pair != nil && !gone[m.pair] {
				t.Fatalf("%s came to %s before it went", m.label(), m.node)
			}
			gone[m] = true
		}
	}
}

func TestLadder_WhatIsLostOrNotKnown(t *testing.T) {
	lost := views(simple[:2], nil, "n1", "n2")
	lost[1].Messages = nil
	if got := drawn(t, lost, 120); !strings.Contains(got, "INVITE, lost") || !strings.Contains(got, "x|") {
		t.Errorf("a message that did not arrive:\n%s", got)
	}
	for what, change := range map[string]func(*tcpb.CallTrace){
		"does not answer": func(v *tcpb.CallTrace) { v.Error = "it does not answer" },
		"remembers none":  func(v *tcpb.CallTrace) { v.Off = true },
		"remembers less":  func(v *tcpb.CallTrace) { v.Since = timestamppb.New(noon) },
	} {
		list := views(simple[:2], nil, "n1", "n2")
		list[1].Messages = nil
		change(list[1])
		if got := drawn(t, list, 120); strings.Contains(got, "lost") {
			t.Errorf("the other node %s:\n%s", what, got)
		}
	}
	// Only who received it remembers.
	if got := drawn(t, views(simple[:2], nil, "n2"), 120); !strings.Contains(got, "-- INVITE ---") || strings.Index(got, "n1") > strings.Index(got, "n2") {
		t.Errorf("from a node that says nothing:\n%s", got)
	}
}

func TestLadder_Fits(t *testing.T) {
	l := newLadder(merge(views(simple, nil, "n1", "n2")))
	if l.fits(70) || !l.fits(90) {
		t.Errorf("on 70 columns %v, on 90 %v", l.fits(70), l.fits(90))
	}
	self := views([]hop{{0, "n1", "n1", "INVITE", 0}}, nil, "n1")
	if got := drawn(t, self, 80); !strings.Contains(got, "INVITE") {
		t.Errorf("to itself:\n%s", got)
	}
	long := slices.Clone(simple)
	long[0].from = strings.Repeat("x", 60)
	if l := newLadder(merge(views(long, nil, "n1", "n2"))); l.fits(120) {
		t.Error("long names fit")
	}
	_ = drawn(t, views(long, nil, "n1", "n2"), 10) // draws what it can
}
