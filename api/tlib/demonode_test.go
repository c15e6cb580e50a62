package tlib_test

import (
	"net"

	"google.golang.org/grpc"

	"github.com/sipcluster/sipcluster/api/tcpb"
	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/api/tlibpb/tlibtest"
)

// demoNode answers the examples as a node would whose DN 1001 is in service.
func demoNode() (addr string, stop func()) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := grpc.NewServer()
	tlibpb.RegisterTLibraryServer(s, demo{})
	go func() { _ = s.Serve(ln) }()
	return ln.Addr().String(), s.Stop
}

type demo struct {
	tlibpb.UnimplementedTLibraryServer
}

func (d demo) Session(stream grpc.BidiStreamingServer[tlibpb.ClientMessage, tlibpb.ServerMessage]) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the client left
		}
		events := d.answer(m)
		events[len(events)-1].ReferenceId = m.GetReferenceId()
		if err := stream.Send(&tlibpb.ServerMessage{Events: events}); err != nil {
			return err
		}
	}
}

func (demo) answer(m *tlibpb.ClientMessage) []*tlibpb.Event {
	one := func(e *tlibpb.Event) []*tlibpb.Event { return []*tlibpb.Event{e} }
	switch b := m.GetBody().(type) {
	case *tlibpb.ClientMessage_OpenSession:
		return one(tlibtest.LinkConnected(&tlibpb.ServerInfo{Node: "sip1"}, "", false))
	case *tlibpb.ClientMessage_MonitorAll:
		return []*tlibpb.Event{
			{ThisDn: "1001", Owner: "sip1", Snapshot: true, Body: &tlibpb.Event_DnBackInService{DnBackInService: &tlibpb.EventDNBackInService{}}},
			{ThisDn: "1002", Snapshot: true, Body: &tlibpb.Event_DnOutOfService{DnOutOfService: &tlibpb.EventDNOutOfService{}}},
			tlibtest.Event(tlibpb.Message_MESSAGE_END_OF_SNAPSHOT),
		}
	case *tlibpb.ClientMessage_RegisterAddress:
		return one(tlibtest.Registered(b.RegisterAddress.GetDn(), tcpb.DNState_DN_STATE_IN_SRV))
	case *tlibpb.ClientMessage_AgentLogin:
		return one(tlibtest.About(tlibpb.Message_MESSAGE_EVENT_AGENT_LOGIN, b.AgentLogin.GetDn()))
	case *tlibpb.ClientMessage_AgentReady:
		return one(&tlibpb.Event{ThisDn: b.AgentReady.GetDn(), Body: &tlibpb.Event_AgentReady{AgentReady: &tlibpb.EventAgentReady{
			Agent: &tlibpb.Agent{Reasons: map[string]string{"site": "dc1"}},
		}}})
	case *tlibpb.ClientMessage_ReserveAgent:
		if b.ReserveAgent.GetDn() == "1001" {
			return one(tlibtest.About(tlibpb.Message_MESSAGE_EVENT_AGENT_RESERVED, "1001"))
		}
		return one(tlibtest.Refusal(tlibpb.ErrorCode_ERROR_CODE_RESOURCE_SEIZED, "DN 1002 is reserved"))
	}
	return one(tlibtest.Refusal(tlibpb.ErrorCode_ERROR_CODE_UNSUPPORTED_OPERATION, ""))
}
