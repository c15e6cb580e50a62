package sip

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// Config of a Server.
type Config struct {
	// UDP and TCP are the host:port to listen on; "" leaves the transport out.
	UDP, TCP string
	// Machine is the configuration: DNs, credentials, options.
	Machine *fsm.Machine
	// Table is told what is registered here.
	Table *dn.Table
	// Store keeps the bindings. New puts what it holds back into Table.
	Store *location.Store
	// Draining says that the node gives up its DNs and takes no new ones; nil means never.
	Draining func() bool
	// Hosts are names that phones may use as domain, beside the realm and IP addresses.
	Hosts []string
	// MaxConnections over TCP; 0 means 10,000.
	MaxConnections int
	// Now is the clock; it must carry a monotonic reading. nil means time.Now.
	Now func() time.Time
	// Log; nil discards.
	Log *slog.Logger
}

func (c *Config) fill() error {
	switch {
	case c.Machine == nil || c.Table == nil || c.Store == nil:
		return errors.New("sip: Machine, Table and Store are needed")
	case c.UDP == "" && c.TCP == "":
		return errors.New("sip: no address to listen on")
	case c.MaxConnections < 0:
		return fmt.Errorf("sip: MaxConnections %d is negative", c.MaxConnections)
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = 10_000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Draining == nil {
		c.Draining = func() bool { return false }
	}
	return nil
}
