package dev

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDevState_Links(t *testing.T) {
	s := &devState{Nodes: layout(3, 3, "127.0.0.1", 5060, 7000)}
	for _, tc := range []struct{ names, want string }{
		{"", "[[sip1 sip2] [sip1 sip3] [sip2 sip3]]"},
		{"sip2", "[[sip1 sip2] [sip2 sip3]]"},
		{"sip3 dc1", "[[sip1 sip3]]"},
		{"dc1 sip1", "sip1"}, // no link to itself
		{"sip1 sip9", "sip9"},
	} {
		pairs, err := s.pairs(strings.Fields(tc.names))
		if err != nil && !strings.Contains(err.Error(), tc.want) || err == nil && fmt.Sprint(pairs) != tc.want {
			t.Errorf("%s: %v %v, want %s", tc.names, pairs, err, tc.want)
		}
	}
	one, _ := s.pairs([]string{"sip1", "sip2"})
	all, _ := s.pairs([]string{"sip1"})
	s.change(one, true)
	if changed := s.change(all, true); fmt.Sprint(changed) != "[[sip1 sip3]]" {
		t.Errorf("cut anew: %v", changed)
	}
	if got := s.cutOff("sip1"); !slices.Equal(got, []string{"sip2", "sip3"}) {
		t.Errorf("sip1 is cut off %v", got)
	}
	s.change(one, false)
	if got := fmt.Sprint(s.cutOff("sip1"), s.cutOff("sip2"), s.cutOff("sip3")); got != "[sip3] [] [sip1]" {
		t.Error(got)
	}
}
