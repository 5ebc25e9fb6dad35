new EventSource("/events").onmessage = function (event) {
  document.getElementById("visits").innerHTML = event.data;
};
